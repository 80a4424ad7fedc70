"""The cube task's MuJoCo model: gymnasium-robotics' Fetch arm and table, edited in memory."""

from __future__ import annotations

from functools import cache
from typing import Any
from xml.etree import ElementTree

import numpy as np

from unreset.tasks.extras import folder

EXTRA = "cube"
CAMERAS = ("third_person", "wrist")
HALF = 0.025  # of the cube's side: at rest, the height of its centre
REACH = np.array([0.16, 0.22])  # the cube's centre stays within +-REACH: the fence sees to it
MIDDLE = np.array([1.25, 0.75, 0.4])  # of the table's top, in the model's frame
_BASE = "0.6919 0.7441 0"  # the robot's place before the table


def _merged(folder: Any, name: str) -> ElementTree.Element:
    """A model's XML with the files in it that it includes."""
    root = ElementTree.parse(folder / name).getroot()
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == "include":
                place = list(parent).index(child)
                parent.remove(child)
                for element in reversed(list(_merged(folder, child.attrib["file"]))):
                    parent.insert(place, element)
    return root


def _box(parent: ElementTree.Element, middle: Any, size: Any, **attributes: str) -> None:
    geom = ElementTree.SubElement(parent, "geom", attributes, type="box")
    for key, value in (("pos", middle), ("size", size)):
        geom.set(key, " ".join(f"{number:.6g}" for number in value))


@cache
def model_xml() -> str:
    """The scene: gymnasium-robotics' pick-and-place with a fence around what the arm reaches.

    The fence is invisible and touches the cube only, so that the cube never needs a person and can
    be grasped wherever it lies; a rim on the table shows where it is.

    Raises:
        UnresetError: if gymnasium-robotics is not installed.
    """
    assets = folder("gymnasium_robotics", EXTRA) / "envs/assets"
    root = _merged(assets / "fetch", "pick_and_place.xml")
    bodies = {body.get("name", ""): body for body in root.iter("body")}
    compiler = root.find("compiler")
    world = root.find("worldbody")
    assert compiler is not None and world is not None
    compiler.set("meshdir", str(assets / "stls" / "fetch"))
    compiler.set("texturedir", str(assets / "textures"))
    world.remove(bodies["floor0"])  # a mark for the goal

    base = bodies["robot0:base_link"]
    base.set("pos", _BASE)
    for joint in base.findall("joint"):  # the robot stands still
        base.remove(joint)
    target = bodies["robot0:mocap"]
    for cross in target.findall("geom"):
        target.remove(cross)
    for weld in root.iter("weld"):
        weld.set("relpose", "0 0 0 1 0 0 0")
    ElementTree.SubElement(
        bodies["robot0:gripper_link"],
        "camera",
        name="wrist",
        pos="-0.06 0 0.11",
        xyaxes="0 -1 0 0.5 0 0.87",
        fovy="70",
    )
    ElementTree.SubElement(
        world,
        "camera",
        name="third_person",
        pos="2.05 0.75 0.9",
        xyaxes="0 1 0 -0.38 0 0.92",
        fovy="42",
    )
    for element in bodies["object0"].iter("site"):
        element.set("rgba", "0 0 0 0")
    cube = next(bodies["object0"].iter("geom"))
    cube.attrib.pop("material")
    cube.set("rgba", "0.85 0.15 0.1 1")
    cube.set("conaffinity", "3")
    for axis in (0, 1):
        for side in (-1, 1):
            middle, size = MIDDLE.copy(), np.array([0.8, 0.8, 1.0])
            size[axis] = 0.3
            middle[axis] += side * (REACH[axis] + HALF + size[axis])
            invisible = {"contype": "2", "conaffinity": "0", "rgba": "0 0 0 0"}
            _box(world, middle, size, priority="1", solref="0.005 1", **invisible)
            middle, size = MIDDLE.copy(), np.array([*(REACH + HALF + 0.006), 0.002])
            size[axis] = 0.003
            middle[axis] += side * (REACH[axis] + HALF + size[axis])
            drawn = {"contype": "0", "conaffinity": "0", "rgba": "0.2 0.45 0.7 1"}
            _box(world, middle, size, **drawn)
    return ElementTree.tostring(root, encoding="unicode")
