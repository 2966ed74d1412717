//! A safe face on the `gemm` crate: products of strided views inside slices, bounds checked once per product.

use gemm::Parallelism;

/// A matrix inside a slice; element (i, j) is `data[i * row_stride + j * col_stride]`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `cols` leading columns of rows that are `row_stride` apart.
    pub(super) fn new(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        Self {
            data,
            rows,
            cols,
            row_stride,
            col_stride: 1,
        }
    }
    pub(super) fn transposed(self) -> Self {
        Self {
            data: self.data,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }
    fn is_inside(&self) -> bool {
        self.rows == 0
            || self.cols == 0
            || (self.rows - 1) * self.row_stride + (self.cols - 1) * self.col_stride
                < self.data.len()
    }
}

/// Where a product goes: row-major, rows `row_stride` apart.
pub(super) struct Out<'a> {
    data: &'a mut [f32],
    row_stride: usize,
    keep: bool,
}

impl<'a> Out<'a> {
    pub(super) fn overwrite(data: &'a mut [f32], row_stride: usize) -> Self {
        Self {
            data,
            row_stride,
            keep: false,
        }
    }
    pub(super) fn add_to(data: &'a mut [f32], row_stride: usize) -> Self {
        Self {
            data,
            row_stride,
            keep: true,
        }
    }
}

/// The current rayon pool for large products; a pool of one runs on the calling thread.
pub(super) fn current_pool() -> Parallelism {
    match rayon::current_num_threads() {
        0 | 1 => Parallelism::None,
        n => Parallelism::Rayon(n),
    }
}

/// out = scale · a·b (+ out, when it adds). Panics when shapes or bounds do not fit: a bug in the caller, never in data.
pub(super) fn multiply(out: Out, scale: f32, a: Matrix, b: Matrix, parallelism: Parallelism) {
    let (m, n, k) = (a.rows, b.cols, a.cols);
    assert_eq!(k, b.rows, "inner dimensions differ");
    assert!(a.is_inside() && b.is_inside(), "operand outside its slice");
    if m == 0 || n == 0 {
        return;
    }
    assert!(
        out.row_stride >= n && (m - 1) * out.row_stride + n <= out.data.len(),
        "product outside its slice"
    );
    // Sound: all three views lie inside their slices (checked above), rows of `out` do not overlap, and `out` is
    // borrowed mutably, so it aliases neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.data.as_mut_ptr(),
            1,
            out.row_stride as isize,
            out.keep,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            if out.keep { 1.0 } else { 0.0 },
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_column_blocks() {
        // The right two columns of a 2x3, times the transpose of a 2x2, into the left of a 2x3.
        let (a, b) = ([9., 1., 2., 9., 3., 4.], [1., 10., 100., 1000.]);
        let mut out = [1., 1., 7., 1., 1., 7.];
        let left = Matrix::new(&a[1..], 2, 2, 3);
        let right = Matrix::new(&b, 2, 2, 2).transposed();
        multiply(
            Out::add_to(&mut out, 3),
            2.0,
            left,
            right,
            Parallelism::None,
        );
        assert_eq!(out, [43., 4201., 7., 87., 8601., 7.]);
        multiply(
            Out::overwrite(&mut out, 3),
            1.0,
            left,
            right,
            Parallelism::None,
        );
        assert_eq!(out, [21., 2100., 7., 43., 4300., 7.]);
    }

    #[test]
    #[should_panic(expected = "outside its slice")]
    fn a_view_outside_its_slice_is_refused() {
        let a = [0.0; 5];
        let view = Matrix::new(&a, 2, 3, 3);
        multiply(
            Out::overwrite(&mut [0.0; 4], 2),
            1.0,
            view,
            view.transposed(),
            Parallelism::None,
        );
    }
}
