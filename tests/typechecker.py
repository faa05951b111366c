"""How types are enforced while testing: by beartype, with an int wherever a float is asked for (PEP 484's numeric tower)."""

from beartype import BeartypeConf
from beartype import beartype as _beartype

checked = _beartype(conf=BeartypeConf(is_pep484_tower=True))
