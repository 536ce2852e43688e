"""A local page that shows schedules. The user moves a node and sees how the objective changes.

:mod:`hso.explore.answers` turns what the page shows into JSON, without HTTP. :mod:`hso.explore.server` serves it to a
browser on the same machine. :mod:`hso.explore.static_export` writes the same page with precomputed schedules, which needs
no server. The page itself, plain HTML, CSS and JavaScript, is in the folder ``static``.
"""
