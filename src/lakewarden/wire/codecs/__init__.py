"""The four AWS protocols, interpreted from the models at run time.

A codec is a module with three functions: ``parse`` (request to input members), ``serialize`` (output members to
response) and ``error``. All speak :class:`Incoming` and :class:`Outgoing`.
"""
