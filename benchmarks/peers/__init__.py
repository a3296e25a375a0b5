"""The servers that trionet is compared with, one file each."""
