//! What the kernels with packed weights share: lines of a panel, and the walk over a product tile by tile.

/// Columns of a panel.
pub(super) const PANEL: usize = 16;

/// A value for each column of a panel; its alignment keeps vector loads inside cache lines.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Line(pub(super) [f32; PANEL]);

impl Line {
    pub(super) const ZERO: Line = Line([0.0; PANEL]);
}

/// A part of the product: some rows of one panel, or of `PANELS` panels side by side.
#[cfg(target_arch = "x86_64")]
pub(super) struct Place {
    /// The first panel.
    pub panel: usize,
    /// Panels there are, from this one on, at most the kernel's.
    pub panels: usize,
    /// The first row, and how many.
    pub row: usize,
    pub rows: usize,
    /// Where the tile goes, and how far apart its rows are. There is room for `rows` rows of all the kernel's panels.
    pub out: *mut f32,
    pub stride: usize,
}

/// Calls `run` for each tile of `PANELS` panels and at most `STEP` rows of a product with `n` rows and `n_out` columns, rows `stride` apart in `out`.
/// A tile that is not wholly inside the product is computed beside it and copied.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn for_each_tile<const PANELS: usize, const STEP: usize>(
    n: usize,
    n_out: usize,
    out: &mut [f32],
    stride: usize,
    run: impl Fn(&Place),
) {
    let n_panels = n_out.div_ceil(PANEL);
    for panel in (0..n_panels).step_by(PANELS) {
        let panels = PANELS.min(n_panels - panel);
        let columns = (panels * PANEL).min(n_out - panel * PANEL);
        for row in (0..n).step_by(STEP) {
            let rows = STEP.min(n - row);
            let target = &mut out[row * stride + panel * PANEL..];
            let place = |out, stride| Place {
                panel,
                panels,
                row,
                rows,
                out,
                stride,
            };
            if columns == PANELS * PANEL {
                run(&place(target.as_mut_ptr(), stride));
                continue;
            }
            let mut spare = [[Line::ZERO; PANELS]; STEP];
            run(&place(spare.as_mut_ptr().cast(), PANELS * PANEL));
            for (i, lines) in spare[..rows].iter().enumerate() {
                let out = &mut target[i * stride..][..columns];
                for (out, line) in out.chunks_mut(PANEL).zip(lines) {
                    out.copy_from_slice(&line.0[..out.len()]);
                }
            }
        }
    }
}
