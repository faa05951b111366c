"""Shared settings; being here also lets every test module import ``helpers``."""

import typechecker
from hypothesis import settings

typechecker.install()

settings.register_profile("quick", max_examples=25, deadline=None, derandomize=True)
settings.load_profile("quick")
