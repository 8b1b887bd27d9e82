"""Everything that takes bytes from strangers, fed with any bytes: by hypothesis in the tests, longer by atheris."""
