"""What is practised. Importing this package makes its environments known to Gymnasium."""

import gymnasium

ENVIRONMENTS = {
    "unreset/Tabletop-v0": "tabletop.tabletop_env:TabletopEnv",
    "unreset/SawyerDoor-v0": "sawyer.sawyer_door:SawyerDoorEnv",
    "unreset/SawyerPeg-v0": "sawyer.sawyer_peg:SawyerPegEnv",
    "unreset/SawyerPegSmall-v0": "sawyer.sawyer_peg_small:SawyerPegSmallEnv",
    "unreset/Kitchen-v0": "kitchen.kitchen:KitchenEnv",
    "unreset/Minitaur-v0": "minitaur.minitaur:MinitaurEnv",
    "unreset/Dexterous-v0": "dexterous.dexterous:DexterousEnv",
    "unreset/CubeGrasp-v0": "cube.cube_grasp:CubeGraspEnv",
    "unreset/Cheetah-v0": "cheetah.cheetah:CheetahEnv",
    "unreset/CheetahVelocity-v0": "cheetah.cheetah_velocity:CheetahVelocityEnv",
}

for name, place in ENVIRONMENTS.items():
    if name not in gymnasium.registry:  # the module is imported, with JAX, only by make()
        gymnasium.register(name, f"unreset.tasks.{place}")
