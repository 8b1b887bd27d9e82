"""The benchmark: what a gigabyte costs our server, other servers on the same machine, and the kernel alone.

rows         the table: what is served to whom, and what is to be reached
servers      the contenders, each started anew for each run; gst_server, paced_server: programs of their own
limit        what the kernel alone costs (limit.c)
measure      one run of anything, in figures; steady: of live streams that have been round once
published    live streams that ffmpeg publishes, in place of files
receivers    what receiving costs
clients      ours beside OpenCV and PyAV; watchers, lossy_server, dead_cameras: who watches, and what
cameras      many of ours in one process
programme    all runs of a benchmark in their order, and their results in files
figures      medians, ratios and verdicts over results
report       docs/benchmarks.md; plots: its pictures; client_report, client_plots: of the clients;
             tables: Markdown
"""
