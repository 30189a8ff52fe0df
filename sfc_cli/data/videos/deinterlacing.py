"""Whole frames from the two fields of interlaced video, by FFmpeg's ``bwdif``, one frame for each."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import av
from av.filter import Graph
from av.video.frame import VideoFrame as Picture

# Progressive frames of these pass through the filter as they are; of others only interlaced video goes in.
_PASSED_ON = re.compile(r"yuvj?4\d\dp(10|12)?(le)?")
# The filter looks at neighbouring lines and columns, chroma's too.
_LEAST_SIDE = 16


class Deinterlacer:
    """Takes frames in order and gives as many, the same unless they are interlaced, one or two frames late.

    A frame is made of itself and its neighbours, so that one pass gives what another does if it began a frame
    earlier.
    """

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._key: tuple[Any, ...] = ()

    def put(self, frame: Picture) -> list[Picture]:
        """Add a frame; return those that are finished."""
        key = (frame.format.name, frame.width, frame.height, frame.colorspace, frame.color_range)
        finished = self.flush() if self._graph is not None and key != self._key else []
        if self._graph is None:
            wanted = frame.interlaced_frame or _PASSED_ON.fullmatch(frame.format.name)
            if not wanted or min(frame.width, frame.height) < _LEAST_SIDE:
                return [*finished, frame]
            self._graph, self._key = _make_graph(frame), key
        self._graph.push(frame)
        return finished + self._pull()

    def flush(self) -> list[Picture]:
        """Return what is still inside, at the end of the video."""
        if self._graph is None:
            return []
        self._graph.push(None)
        finished = self._pull()
        self._graph = None
        return finished

    def _pull(self) -> list[Picture]:
        assert self._graph is not None
        finished: list[Picture] = []
        while True:
            try:
                frame = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return finished
            assert isinstance(frame, Picture)
            finished.append(frame)


def _make_graph(frame: Picture) -> Graph:
    graph = Graph()
    source = graph.add(
        "buffer",
        video_size=f"{frame.width}x{frame.height}",
        pix_fmt=frame.format.name,
        time_base=str(frame.time_base or Fraction(1, 1000)),
        colorspace=str(int(frame.colorspace)),
        range=str(int(frame.color_range)),
    )
    # Chroma is taken to lie where FFmpeg takes it with 8 bits, so that 10 bits give the same picture.
    sited = graph.add("setparams", "chroma_location=unspecified")
    fields = graph.add("bwdif", "mode=send_frame:deint=interlaced")
    graph.link_nodes(source, sited, fields, graph.add("buffersink"))
    graph.configure()
    return graph
