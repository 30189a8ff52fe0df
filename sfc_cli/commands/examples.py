"""The examples at the end of each help screen."""

from __future__ import annotations

# By command; those of `sfc` itself first.
EXAMPLES = {
    "": """
        sfc propagate --data sample -o first --overlay
        sfc convert clip.mp4 first.png --to frame
        sfc propagate clip.mp4 --mask mask.png -o out --overlay --cutout
        sfc COMMAND --help
        """,
    "propagate": """
        sfc propagate clip.mp4 --mask mask.png -o out --overlay
        sfc propagate clip.mp4 --mask mask.png --mask 5:fix.png -o out --overwrite
        sfc propagate clip.mp4 --mask 3:middle.png --both-ways --cutout
        sfc propagate 'shots/*.jpg' --mask mask.png --fps 12 --overlay gif
        sfc propagate --data sample --protocol published
        sfc propagate --fc fine-grained --semantic mocov1
        sfc propagate --data FRAMES --annotations MASKS -o new
        """,
    "studio": """
        sfc studio
        sfc studio clip.mp4
        sfc studio results/clip/studio
        """,
    "convert": """
        sfc convert clip.mp4 first.png --to frame
        sfc convert clip.mp4 frame5.png --to frame --at 5
        sfc convert out films --to overlay --data clip.mp4
        sfc convert masks.json out
        sfc convert results/davis/mini-improved out.zip --to zip --data davis
        """,
    "evaluate": """
        sfc evaluate davis
        sfc evaluate davis --report page.html --published
        sfc evaluate davis --results A --compare B
        sfc evaluate folder --data truth --results masks
        """,
    "download": """
        sfc download --list
        sfc download fc moco
        sfc download all davis
        sfc download --verify
        """,
    "pretrain": """
        sfc pretrain --data youtube-vos
        sfc pretrain --data frames -o runs/mine --init mini --epochs 5
        sfc pretrain --data youtube-vos --resume
        torchrun --nproc-per-node 4 -m sfc_cli pretrain --batch-size 24
        """,
}
