"""The servers that trionet's are measured beside, one file each."""
