"""Side by side with what people would use instead: ``python -m benchmarks`` runs them all, ``python -m benchmarks.NAME`` one."""
