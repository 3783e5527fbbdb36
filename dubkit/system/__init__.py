"""What dubkit asks of the machine: programs, folders for scratch, the terminal, reports of faults.

- :mod:`.programs`: programs that end with dubkit, however it ends.
- :mod:`.keeper`: the small process that sees to that when dubkit was killed.
- :mod:`.windows_job`: the same on Windows.
- :mod:`.lease`: who works in a folder, on one machine or on several.
- :mod:`.ownership`: whose a workspace is.
- :mod:`.cores`: how many there are to work on.
- :mod:`.proxies`: those that the environment names.
- :mod:`.scratch`: temporary folders that do not outlive dubkit.
- :mod:`.terminal`: standard output and standard error: full, closed, or a terminal.
- :mod:`.faults`: what nobody expected: an error of one line, and a report in a file.
"""
