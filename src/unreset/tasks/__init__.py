"""What is practised. Importing this package makes its environments known to Gymnasium."""

import gymnasium

TABLETOP_ID = "unreset/Tabletop-v0"

if TABLETOP_ID not in gymnasium.registry:  # the module is imported, with JAX, only by make()
    gymnasium.register(TABLETOP_ID, "unreset.tasks.tabletop_env:TabletopEnv")
