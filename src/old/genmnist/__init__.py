"""The first version of the package, frozen: what notebooks 2 and 3 need until they are rewritten.

The course's code grows in `src/genmnist`.  Nothing there imports anything from here.
"""
