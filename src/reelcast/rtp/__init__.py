"""RTP without I/O: packets, bursts, groups, RTCP, receivers, senders, payload formats."""
