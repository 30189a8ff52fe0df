"""A user's own footage, be it a video or a pile of images, as one kind of thing: a stream of frames."""

from sfc_cli.data.clips.clip import Clip, ClipFrame
from sfc_cli.data.clips.moments import Moment, parse_moment
from sfc_cli.data.clips.opening import open_clip
from sfc_cli.data.clips.selection import FrameStamp, Selection

__all__ = ["Clip", "ClipFrame", "FrameStamp", "Moment", "Selection", "open_clip", "parse_moment"]
