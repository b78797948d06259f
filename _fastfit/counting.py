"""What the plain kernel finds in a node's zones, for those who tell people the rule behind a verdict."""

from _fastfit._demand import derive
from _fastfit._judge_py import judge, node_code
from _fastfit._rows import within_bounds
from _fastfit.codes import Code
from _fastfit.model import Ask, Row

__all__ = ["zone_code"]


def zone_code(row: Row, ask: Ask) -> Code | None:
    """The code that the counts of the row's zones give; None where the verdict does not depend on the zones."""
    row, demand = within_bounds(row), derive(ask)
    return judge(row, demand).code if node_code(row, demand) is Code.Fits else None
