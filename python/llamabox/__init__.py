"""llamabox: an inference server for GGUF models.

Import the modules by name; this package imports none of them, so that the supervisor and the
command line never load the compute core by accident.
"""
