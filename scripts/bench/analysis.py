"""What docs/benchmarks.md says of the rows that miss their aim: written by hand, from profiles."""

from __future__ import annotations

__all__ = ["ANALYSIS"]

ANALYSIS = """\
## Where a row misses its aim, and what was tried

Profiles by `perf record -e cpu-clock` and py-spy on the server, one row at a time.

- **Live, 8 Mbit/s, UDP.** 85 % is the kernel's `sendmmsg`, which the limit has too; 15 % is ours, most of it the
  price of waking up: 28 wake-ups a second cost 0.3 ms each, since after 40 ms of other work no cache holds the
  interpreter any more. gst-rtsp-server costs 2.8 to 3.1 s a GB on this machine, so that four times less would be
  below the limit.
- **Live, 8 Mbit/s, TCP.** The same 0.3 ms a wake-up, on a smaller bill. Tried and kept: one slice of shared memory
  for all readers, `socket.send` past asyncio (a tenth less than `os.write`), and a loop that touches three objects
  a reader (a tenth less than asking the transport first).
- **VOD at 100 readers.** Of 50 us a frame, 33 us are those of 1,000 readers (61 % kernel, 30 % interpreter, 6 %
  numpy, headers a second at a time); the rest is wake-ups, which 100 readers share less well than 1,000. Tried and
  kept: ticks of 8 ms instead of 4, and beginning in step with readers who play already.
- **Pacing.** What is due in a tick is handed over in one go, and the figure is taken when the last of it has gone:
  a 180 kB keyframe for 100 readers is 15 ms of kernel time, however it is cut. Near a full core, ticks also wait
  for joins. Tried and kept: the garbage collector leaves alone what is loaded at start and looks at the rest
  seldom; files are packetised in threads that yield after 1 ms.
"""
