"""SwarmUI samples with ComfyUI, and lists the schedulers that its ComfyUI has."""

from __future__ import annotations

from hso.hosts.base import Host, Takes


class SwarmUI(Host):
    """Nothing to paste: with the node pack in its ComfyUI, "hso" is in its list of schedulers."""

    name = "swarmui"
    advice = "install integrations/comfyui in its ComfyUI, and choose the scheduler hso"
    lands = "whole runs exactly, by the scheduler hso of its ComfyUI; part of a run as its own sampler node cuts it"
    version_read = "0329847"

    def takes(self, flow: bool) -> Takes:
        return Takes()
