"""The kernel lab: a real cgroup v2 kernel on any machine, started in seconds, thrown away after.

Read in this order: ``job`` (what is to run), ``launcher`` (starts a guest and brings results back),
``uml`` and ``qemu`` (the two kinds of guest), ``guest`` (PID 1 inside), ``packages`` and ``kernel``
(where the kernels come from). docs/lab.md is the page for users.
"""
