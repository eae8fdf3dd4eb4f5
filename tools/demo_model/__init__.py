"""Corpus, tokenizer, network and export of the demo model; used by tools/train_demo_model.py."""
