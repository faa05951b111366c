"""Training, one idea a file: what is drawn (``batches``, ``levels``), what is asked for (``objective``, ``flow_matching``), how large the
steps are (``rates``, ``refined``), what is kept of the weights (``averaging``), and the one loop that runs it all (``trainer``).

``wb.nets.fit`` runs the loop on points; ``python -m workbench.nets.train`` on pictures, with a folder for the run (``run``), which keeps
its state (``checkpoint``), reports (``report``), and may be shared by several processes (``processes``).
"""
