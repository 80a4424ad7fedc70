"""Names of states that are not those of parts yet."""

CURRICULUM = "curriculum"
