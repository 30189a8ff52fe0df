"""A user's own video, be it one file or many images, as one kind of thing: a stream of frames."""

from sfc_cli.data.videos.opening import open_video
from sfc_cli.data.videos.selection import (
    ALL_FRAMES,
    FrameStamp,
    Moment,
    Selection,
    Video,
    VideoFrame,
    as_time,
    parse_moment,
)

__all__ = [
    "ALL_FRAMES",
    "FrameStamp",
    "Moment",
    "Selection",
    "Video",
    "VideoFrame",
    "as_time",
    "open_video",
    "parse_moment",
]
