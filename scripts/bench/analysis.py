"""What docs/benchmarks.md says of the rows that miss their aim: written by hand, from profiles."""

from __future__ import annotations

__all__ = ["ANALYSIS"]

ANALYSIS = """\
## Where a row misses its aim, and what was tried

Profiles by `perf record -e cpu-clock` and py-spy on the server, one row at a time.

- **The load has its part.** Readers and server share two processors and their caches. An epoll inside the event
  loop's, which the load had, was told of each datagram at the sender's expense: without it, 500 readers cost the
  server about a tenth less (two turns), what rtspload's do.
- **Live, 8 Mbit/s, UDP.** 85 % is the kernel's `sendmmsg`, which the limit has too; 15 % is ours: waking up (some
  30 times a second at 0.3 ms each, since after 40 ms of other work no cache holds the interpreter any more),
  reading and packetising the file (5 ms for each second of it, in the first round; then it is in memory), and
  laying out what all are sent (0.13 ms a second hot, 0.4 cold; 0.5 and 0.9 before). gst-rtsp-server costs 2.7 to
  3.6 s a GB on this machine, so that four times less would be below the limit. Tried and kept: tables of a group
  made column by column instead of packet by packet (reading and packetising took 7 ms before).
- **Live, 8 Mbit/s, TCP.** The same, on a smaller bill: of 57 ms a second 37 are the kernel's `send`, 6 are ticks
  (27 a second), 5 are the readers' reports (21 a second). Tried and kept: reports read when the loop is awake
  anyway (2 to 5 % less, better in 6 of 7 turns), one slice of shared memory for all readers, `socket.send` past
  asyncio (a tenth less than `os.write`), and a loop that touches three objects a reader (a tenth less than asking
  the transport first). A bare loop of `socket.send` in Python over the same bytes costs 0.38 s a GB. Tried
  outside of the server only: `sendfile` from a memfd, which spares the kernel the copy for each reader (a third
  of its time), takes 0.31 to 0.35 in the same loop, but in the server there was no gain; io_uring through ctypes
  spared a bare loop a fifth at 500 readers, nothing at 100.
- **VOD at 100 readers.** Of 50 us a frame, 33 us are those of 1,000 readers (61 % kernel, 30 % interpreter, 6 %
  numpy, headers a second at a time); the rest is wake-ups, which 100 readers share less well than 1,000. Tried
  and kept: wake-ups that take in all who are due soon, and beginning at multiples of a frame's time (100 readers
  had been spread over all of it: 125 wake-ups a second; a third less CPU time). Slots of 2 ms instead of ticks of
  8, for the sake of pacing, cost a twentieth here, nothing at 1,000 readers. Kept since: the first two slots of
  each frame's time hold half as much again, so that 100 readers are one wake-up in it (3.24 to 3.42 before, 2.88 to
  3.33 behind it, in three turns). Tried and left: all slots so full, and a wake-up that takes in who is due within
  4 ms (a tenth less here; at 1,000 readers 10.6 to 17.8 ms off at the 99th percentile, 6.8 to 8.2 without).
- **Pacing, live.** A 180 kB keyframe for 100 readers is 15 ms of kernel time. Tried and kept: readers in shares
  of 50; what is due to all is begun early by four fifths of what it takes, learned from what it took, and goes
  out in parts of 3 ms, due 4 ms apart, where it takes more than 5; a loop that sleeps to the microsecond
  (asyncio's rounds up: 0.8 ms late in the median before, 0.3 now); a keyframe's lead counts its parameter sets
  with it. Tried and left: shorter slices for the server (`sched_setattr`, 0.02 to 0.2 ms: no gain).
- **Pacing, VOD.** Tried and kept: players begin in slots of 2 ms, each filled to three fifths by what its players
  take; a wake-up calls all who are due within 3 ms, which is a head start where there is much to do (at 1,000
  readers, in turns with the version before: 5 to 25 ms at the 99th percentile before, 2.6 to 5.6 behind it over
  UDP, 10 to 17 and 3.3 to 7.2 over TCP); after a stall timelines move by whole frames' times (moved by what each
  was late, all players ended in one step, 30 ms of work); a flush after every 64 players; twelve requests
  answered in each turn of the loop while hundreds join (the 99th percentile was 50 to 64 ms before, and 17 to 22
  behind it; with four in a turn joining took more than a second); a join that costs the server 2.1 ms instead of
  2.9 (a URL read once, a file looked at once for all its tracks); the garbage collector leaves alone what is
  loaded at start and looks at the rest seldom; files are packetised in threads that yield after 1 ms. Tried and
  left: a wake-up for each slot (a fifth dearer). What is left is time that the machine takes away: 1,000 readers
  keep 70 to 85 % of a processor busy, and 10 ms less of it are seen for 40.
- **Receiving.** A process with one stream wakes up some 30 times a second, and finds the interpreter out of every
  cache: 0.1 ms for an event loop that does nothing with what it reads, 0.3 to 0.5 ms for ours, of which what is
  to be done takes 0.07 (2 ms for each second of the 8 Mbit/s stream, 7 ms before; 64 cameras in one process share
  the rest). Tried and kept: packets that come in order taken in run by run, frames of one reading handed on at
  once, fragments joined once, a look at what waits only where something waits, no question to a socket that has
  just been emptied. Tried and left: headers compared in one piece and by numpy (no faster than a loop that
  unpacks each), views instead of copies of the payloads (a fifteenth), `recvmmsg` for single packets (nothing
  with cold caches). The same frame costs two to three times as much behind 30 ms of sleep as without it.
- **With a publisher.** What ffmpeg sends is received, and put on the air frame by frame; a file is read a second
  at a time. At 100 readers of the 8 Mbit/s stream that is 15 ms of each second more, about half of it for
  receiving.
- **Delay.** From a publisher's packets to our last `send` takes 0.4 ms without it, a third of that to receive
  them; the sends take 1 ms over TCP and 2 over UDP for a picture of the 2 Mbit/s stream, and twice that by the
  clock, for the readers that they wake want a processor too. The 99th percentile is keyframes. Tried and kept:
  the parts of what comes as it happens follow each other without a pause, so that others have their turn and no
  more (the 2 Mbit/s stream over TCP went from 12 to 9 ms at the same cost; over UDP, 12 before and 8 to 14 behind
  it, that was within the noise). Tried and left: readers that nap for 1.5 ms between two readings, to be woken
  less often (no cheaper for the server by more than the noise, a tenth dearer for the load, and later). Over UDP
  the runs of a keyframe are spread over up to 8 ms, for the sake of receive buffers.
"""
