//! The filters that resize images: Pillow's, by its numbers.

/// How a sample is made from its neighbours. The numbers are Pillow's, and `resample` in a
/// `preprocessor_config.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// The sample that is hit; no antialiasing.
    Nearest = 0,
    /// Windowed sinc, support 3.
    Lanczos = 1,
    /// Triangle, support 1.
    Bilinear = 2,
    /// Keys' cubic with a = −0.5, support 2.
    Bicubic = 3,
    /// Mean, support 0.5.
    Box = 4,
    /// Hamming-windowed sinc, support 1.
    Hamming = 5,
}

impl Filter {
    /// Every filter, in the order of Pillow's numbers.
    pub const ALL: [Filter; 6] =
        [Filter::Nearest, Filter::Lanczos, Filter::Bilinear, Filter::Bicubic, Filter::Box, Filter::Hamming];

    /// The filter with Pillow's number `number`.
    pub fn from_number(number: u64) -> Option<Filter> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// Its name, as canonical texts write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Filter::Nearest => "nearest",
            Filter::Lanczos => "lanczos",
            Filter::Bilinear => "bilinear",
            Filter::Bicubic => "bicubic",
            Filter::Box => "box",
            Filter::Hamming => "hamming",
        }
    }

    /// Half the width of the filter, in samples of the coarser grid.
    pub(crate) fn support(self) -> f64 {
        match self {
            Filter::Nearest => 0.0,
            Filter::Lanczos => 3.0,
            Filter::Bilinear | Filter::Hamming => 1.0,
            Filter::Bicubic => 2.0,
            Filter::Box => 0.5,
        }
    }

    /// Its value at `x`, in samples of the coarser grid.
    pub(crate) fn value(self, x: f64) -> f64 {
        use std::f64::consts::PI;
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) };
        match self {
            Filter::Nearest => 0.0,
            Filter::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Filter::Lanczos => 0.0,
            Filter::Bilinear => (1.0 - x.abs()).max(0.0),
            Filter::Bicubic => {
                const A: f64 = -0.5;
                let x = x.abs();
                if x < 1.0 {
                    ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
                } else if x < 2.0 {
                    (((x - 5.0) * x + 8.0) * x - 4.0) * A
                } else {
                    0.0
                }
            }
            Filter::Box if x > -0.5 && x <= 0.5 => 1.0,
            Filter::Box => 0.0,
            Filter::Hamming => {
                let x = x.abs();
                if x == 0.0 {
                    1.0
                } else if x >= 1.0 {
                    0.0
                } else {
                    // Pillow has these two constants in float32.
                    sinc(x) * (f64::from(0.54_f32) + f64::from(0.46_f32) * (x * PI).cos())
                }
            }
        }
    }
}
