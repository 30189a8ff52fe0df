"""A user's own footage, be it a video or a pile of images, as one kind of thing: a stream of frames."""

from sfc_cli.data.videos.clip import Video, VideoFrame
from sfc_cli.data.videos.moments import Moment, parse_moment
from sfc_cli.data.videos.opening import open_video
from sfc_cli.data.videos.selection import FrameStamp, Selection

__all__ = ["FrameStamp", "Moment", "Selection", "Video", "VideoFrame", "open_video", "parse_moment"]
