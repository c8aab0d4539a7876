"""`python -m msdata …` is the program `msdata …`."""

import os
import sys

from ._program import environment, find_program

program = find_program()
os.execve(program, [program, *sys.argv[1:]], environment())
