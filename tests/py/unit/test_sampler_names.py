"""Sampler names in all their spellings."""

import pytest

from llamabox.sampler_names import SAMPLERS, sampler_names, split_samplers


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("top_k;top_p", ["top_k", "top_p"]),
        ("top_k", ["top_k"]),
        ("temp;typical;top_nsigma", ["temperature", "typ_p", "top_n_sigma"]),
        ("temperature;typical_p;typ_p", ["temperature", "typ_p", "typ_p"]),
        ("kpt", ["top_k", "top_p", "temperature"]),
        ("edskypmxt", list(SAMPLERS)),
        (";".join(SAMPLERS), list(SAMPLERS)),
        ("xtc", ["xtc"]),
        ("", []),
        (";", []),
    ],
)
def test_texts(text: str, names: list[str]) -> None:
    assert split_samplers(text) == names


@pytest.mark.parametrize(
    ("text", "unknown"), [("top_k;tfs_z", "tfs_z"), ("kz", "z"), ("kt-k", "-"), ("i", "i")]
)
def test_an_unknown_name_is_named(text: str, unknown: str) -> None:
    with pytest.raises(ValueError, match=f"^{unknown}$"):
        split_samplers(text)


def test_names_in_an_array_are_no_letters() -> None:
    assert sampler_names(["temp", "min_p"]) == ["temperature", "min_p"]
    with pytest.raises(ValueError, match=r"^k$"):
        sampler_names(["k"])
