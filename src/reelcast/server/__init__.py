"""The serving shell: connections, sessions, playheads, mounts, and the pacer that sends what is due."""
