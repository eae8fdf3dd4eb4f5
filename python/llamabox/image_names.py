"""The samplers and schedules of image models, and what each family is used with by default.

The core has the same names (cpp/image/image_check.h); a test compares them. Figures are those of
llama-box.
"""

from __future__ import annotations

from dataclasses import dataclass

SAMPLERS = (
    "euler_a", "euler", "heun", "dpm2", "dpm++2s_a", "dpm++2m", "dpm++2mv2", "ipndm", "ipndm_v",
    "lcm", "tcd", "ddim_trailing", "res_2s", "res_multistep", "er_sde",
)  # fmt: skip

SCHEDULES = (
    "default", "discrete", "karras", "exponential", "ays", "gits", "sgm_uniform", "simple",
    "smoothstep", "kl_optimal", "lcm", "bong_tangent",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FamilyDefaults:
    """What a request gets for a field that neither it nor the command line sets."""

    strength: float
    sampler: str
    steps: int
    cfg_scale: float
    # The side of the pictures that the family was trained with, in pixels.
    native: int


_OTHER = FamilyDefaults(0.75, "euler_a", 20, 4.5, 1024)
_FAMILIES = {
    "sd1": FamilyDefaults(0.75, "euler_a", 20, 9.0, 512),
    "sd2": FamilyDefaults(0.75, "euler_a", 20, 9.0, 512),
    "sdxl": FamilyDefaults(0.75, "euler", 25, 5.0, 1024),
    "sd3": FamilyDefaults(0.75, "euler", 20, 4.5, 1024),
    "flux": FamilyDefaults(0.75, "euler", 20, 1.0, 1024),
    "sd1-inpaint": FamilyDefaults(1.0, "euler_a", 50, 9.0, 512),
    "sd2-inpaint": FamilyDefaults(1.0, "euler", 50, 9.0, 512),
    "sdxl-inpaint": FamilyDefaults(1.0, "euler", 50, 5.0, 512),
    "flux-fill": FamilyDefaults(1.0, "euler", 50, 3.5, 1024),
}


def family_defaults(family: str) -> FamilyDefaults:
    """The row of a family as the core names it; a family without one has the general row."""
    return _FAMILIES.get(family, _OTHER)
