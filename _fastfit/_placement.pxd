# The placement of a pod that fits, as a Python value.

from _fastfit._types cimport Answer, Detail, Row


# `memory` and `devices`: the names of the ask's resources. `values`: the module of that name, which a .pxd cannot
# import.
cdef inline object placement_of(
    const Row *row, const Answer *answer, const Detail *detail, tuple memory, tuple devices, values
):
    return values.Placement(
        mask=answer.mask,
        cpus=tuple([detail.held[zone] for zone in range(row.zones)]),
        exact=bool(detail.exact),
        blocks=tuple([
            values.Block(
                detail.block[item].part,
                memory[detail.block[item].name],
                detail.block[item].mask,
                detail.block[item].bytes,
            )
            for item in range(detail.blocks)
        ]),
        cells=tuple([
            values.Cell(detail.cell[item].zone, detail.cell[item].vcpus, detail.cell[item].bytes)
            for item in range(detail.cells)
        ]),
        devices=tuple([
            (device, tuple([detail.devices[item][zone] for zone in range(row.zones)]))
            for item, device in enumerate(devices)
            if detail.has_device[item]
        ]),
    )
