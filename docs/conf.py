"""How Sphinx makes the site of `make docs`: one folder of HTML that needs no network."""

import snr_plugins

project = "snr_plugins"
author = "The snr_plugins developers"
copyright = author  # Sphinx's name for it
release = snr_plugins.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
default_role = "py:obj"  # single backticks in docstrings: a link where it names something of ours
myst_heading_anchors = 3
highlight_language = "text"  # what is Python says so

autodoc_default_options = {"members": True}
autodoc_inherit_docstrings = False  # torch's on every forward() say nothing of ours
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"snr_plugins {release}"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["static"]
html_css_files = ["site.css"]


def setup(app):
    app.connect("autodoc-process-docstring", keep_indented_lines)


def keep_indented_lines(app, what, name, thing, options, lines):
    """In a module's docstring, indented lines are a formula, a command or a tree of files."""
    if what != "module":
        return
    for i in range(len(lines) - 1, 1, -1):
        starts = lines[i].startswith("    ") and not lines[i - 1]
        if starts and not lines[i - 2].startswith("    ") and not lines[i - 2].endswith("::"):
            lines[i:i] = [".. code-block:: text", ""]
