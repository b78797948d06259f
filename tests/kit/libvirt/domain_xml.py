"""A domain of the guest model as libvirt's XML, and back: the elements that KubeVirt's launcher writes for NUMA."""

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from typing import Any, Final

from extender.kubelet.cpuset import bits, format_cpus, from_ids, parse_cpus
from extender.kubevirt.guest.domain import Domain
from extender.kubevirt.guest.size import GuestSize

__all__ = ["domain_xml", "read_back", "said"]

_KI: Final = 1024


def domain_xml(domain: Domain, size: GuestSize) -> str:
    """The domain as a document for libvirt's test driver; `size` adds what a Domain does not say."""
    root = ET.Element("domain", type="test")
    ET.SubElement(root, "name").text = "vm"
    ET.SubElement(root, "memory", unit="b").text = str(size.memory_bytes)
    os = ET.SubElement(root, "os")
    ET.SubElement(os, "type", arch="x86_64").text = "hvm"
    ET.SubElement(root, "vcpu", placement="static").text = str(domain.max_vcpus)
    if size.max_sockets is not None:
        vcpus = ET.SubElement(root, "vcpus")
        for vcpu in range(domain.max_vcpus):
            enabled, pluggable = vcpu < domain.vcpus, vcpu >= size.socket_vcpus
            ET.SubElement(vcpus, "vcpu", id=str(vcpu), enabled=_yes(enabled), hotpluggable=_yes(pluggable))
    threads = max(size.supplemental_pool or size.io_threads or 0, len(domain.io_threads))
    if threads:
        ET.SubElement(root, "iothreads").text = str(threads)
    _cputune(root, domain)
    _memory(root, domain, size)
    cpu = ET.SubElement(root, "cpu")
    sockets = domain.max_vcpus // size.socket_vcpus
    ET.SubElement(cpu, "topology", sockets=str(sockets), cores=str(size.cores), threads=str(size.threads))
    if domain.cells:
        numa = ET.SubElement(cpu, "numa")
        for cell in domain.cells:
            ET.SubElement(numa, "cell", id=str(cell.id), cpus=_list(cell.cpus), memory=str(cell.memory_bytes), unit="b")
    return ET.tostring(root, encoding="unicode")


def _cputune(root: ET.Element, domain: Domain) -> None:
    tune = ET.SubElement(root, "cputune")
    for vcpu, cpu in enumerate(domain.pins):
        ET.SubElement(tune, "vcpupin", vcpu=str(vcpu), cpuset=str(cpu))
    if domain.emulator:
        ET.SubElement(tune, "emulatorpin", cpuset=_list(domain.emulator))
    for thread, cpus in enumerate(domain.io_threads, 1):
        ET.SubElement(tune, "iothreadpin", iothread=str(thread), cpuset=_list(cpus))


def _memory(root: ET.Element, domain: Domain, size: GuestSize) -> None:
    if domain.nodeset:
        tune = ET.SubElement(root, "numatune")
        ET.SubElement(tune, "memory", mode="strict", nodeset=_list(domain.nodeset))
        for number, zone in enumerate(domain.memnodes):
            ET.SubElement(tune, "memnode", cellid=str(number), mode="strict", nodeset=str(zone))
    if size.page_bytes is not None:
        backing = ET.SubElement(root, "memoryBacking")
        pages = ET.SubElement(backing, "hugepages")
        for cell in domain.cells if domain.cell_page_bytes else ():
            ET.SubElement(pages, "page", size=str(domain.cell_page_bytes), unit="b", nodeset=str(cell.id))
        ET.SubElement(backing, "source", type="memfd")
        if domain.nodeset:
            ET.SubElement(backing, "allocation", mode="immediate")


def said(domain: Domain) -> dict[str, Any]:
    """What the document says, in the form of `read_back`."""
    return {
        "vcpus": domain.max_vcpus,
        "enabled": domain.vcpus,
        "pins": domain.pins,
        "emulator": tuple(sorted(set(domain.emulator))),
        "iothreads": tuple(tuple(sorted(set(cpus))) for cpus in domain.io_threads),
        "cells": tuple((cell.cpus, cell.memory_bytes // _KI) for cell in domain.cells),
        "nodeset": tuple(sorted(domain.nodeset)),
        "memnodes": tuple(enumerate(domain.memnodes)),
        "pages": tuple((domain.cell_page_bytes // _KI, cell.id) for cell in domain.cells)
        if domain.cell_page_bytes
        else (),
    }


def read_back(document: str) -> dict[str, Any]:
    """What libvirt understood, from the document it writes."""
    root = ET.fromstring(document)
    vcpu = root.find("vcpu")
    assert vcpu is not None
    most = int(vcpu.text or "")
    emulator = root.find("cputune/emulatorpin")
    tune = root.find("numatune/memory")
    return {
        "vcpus": most,
        "enabled": int(vcpu.get("current", most)),
        "pins": tuple(int(pin.attrib["cpuset"]) for pin in root.findall("cputune/vcpupin")),
        "emulator": () if emulator is None else _numbers(emulator.attrib["cpuset"]),
        "iothreads": tuple(_numbers(pin.attrib["cpuset"]) for pin in root.findall("cputune/iothreadpin")),
        "cells": tuple(
            (_numbers(cell.attrib["cpus"]), int(cell.attrib["memory"])) for cell in root.findall("cpu/numa/cell")
        ),
        "nodeset": () if tune is None else _numbers(tune.attrib["nodeset"]),
        "memnodes": tuple(
            (int(node.attrib["cellid"]), int(node.attrib["nodeset"])) for node in root.findall("numatune/memnode")
        ),
        "pages": tuple(
            (int(page.attrib["size"]), cell)
            for page in root.findall("memoryBacking/hugepages/page")
            if "nodeset" in page.attrib
            for cell in _numbers(page.attrib["nodeset"])
        ),
    }


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(bits(parse_cpus(text, "libvirt's list")))


def _list(numbers: Iterable[int]) -> str:
    return format_cpus(from_ids(numbers))


def _yes(yes: bool) -> str:
    return "yes" if yes else "no"
