//! The decoder of libjpeg-turbo, with which Pillow, OpenCV and torchvision read JPEG files: the same integers, so the same
//! pixels. It is the C code that mozjpeg shares with it, without assembler, so that a C compiler is all it needs.
//!
//! Only this module hands memory to C. An error reaches it by a call that must not return: that unwinds from here through
//! the library, which is compiled for it, to [`decompress`], and no further.

#![allow(unsafe_code)]

#[cfg(panic = "abort")]
compile_error!("msdata needs `panic = \"unwind\"`: a broken JPEG file would end the program");

use mozjpeg_sys::{
    J_COLOR_SPACE, JERR_CCIR601_NOTIMPL, JERR_CONVERSION_NOTIMPL, JERR_FRACT_SAMPLE_NOTIMPL, JERR_NOTIMPL, JERR_OUT_OF_MEMORY,
    JWRN_ADOBE_XFORM, JWRN_EXTRANEOUS_DATA, JWRN_HIT_MARKER, JWRN_JFIF_MAJOR, JWRN_JPEG_EOF, JWRN_NOT_SEQUENTIAL,
    jpeg_common_struct, jpeg_consume_input, jpeg_create_decompress, jpeg_decompress_struct, jpeg_destroy_decompress,
    jpeg_error_mgr, jpeg_finish_decompress, jpeg_finish_output, jpeg_mem_src, jpeg_read_coefficients, jpeg_read_header,
    jpeg_read_scanlines, jpeg_start_decompress, jpeg_start_output, jpeg_std_error,
};
use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::LazyLock;

/// What `jpeg_consume_input` returns without data, and at the end of the image.
const SUSPENDED: c_int = 0;
const REACHED_EOI: c_int = 2;

/// The colours that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inks {
    /// Of one or three components: red, green, blue.
    Rgb,
    /// Of four: cyan, magenta, yellow, black, as stored.
    Cmyk,
}

/// A picture as the library gives it.
#[derive(Debug)]
pub struct Samples {
    /// Row by row, three or four values a pixel.
    pub values: Vec<u8>,
    /// Whether bytes were skipped that belong to nothing.
    pub stray_bytes: bool,
    /// Whether the file says its colour space by an unknown code.
    pub guessed_colours: bool,
}

/// Why there is no picture.
#[derive(Debug)]
pub enum Failure {
    /// The data ends early.
    Cut,
    /// The data is wrong: how.
    Broken(String),
    /// The library does not read such files: which.
    Unsupported(String),
    /// An allocation failed.
    Memory,
}

/// Decodes the JPEG `data`, whose picture must be of `width` × `height`.
///
/// # Errors
/// [`Failure`]; whatever puts the picture in doubt is one.
pub fn decompress(data: &[u8], width: u32, height: u32, inks: Inks) -> Result<Samples, Failure> {
    catch_unwind(AssertUnwindSafe(|| Decoder::new().decode(data, width, height, inks)))
        .unwrap_or_else(|thrown| Err(thrown.downcast::<Failure>().map_or_else(|other| resume_unwind(other), |failure| *failure)))
}

/// What the library reports to: its own record first, as it expects, and what was only noted.
#[repr(C)]
struct Reports {
    library: jpeg_error_mgr,
    stray_bytes: bool,
    guessed_colours: bool,
}

/// The library's state and reports, where they stay while C points to them.
struct Decoder {
    state: *mut jpeg_decompress_struct,
    reports: *mut Reports,
}

impl Decoder {
    fn new() -> Decoder {
        // SAFETY: both are plain C structures, of numbers, pointers and functions that may be absent, to which zeros are
        // valid and which the library sets up itself. The second is what the first's `err` points to until both are dropped.
        unsafe {
            let decoder = Decoder {
                state: Box::into_raw(Box::new(std::mem::zeroed())),
                reports: Box::into_raw(Box::new(std::mem::zeroed())),
            };
            let reports = &mut (*decoder.reports).library;
            jpeg_std_error(reports);
            reports.error_exit = Some(stop);
            reports.emit_message = Some(hear);
            (*decoder.state).common.err = decoder.reports.cast();
            jpeg_create_decompress(decoder.state);
            decoder
        }
    }

    fn decode(&mut self, data: &[u8], width: u32, height: u32, inks: Inks) -> Result<Samples, Failure> {
        // SAFETY: the state was set up by `new`; `data` outlives its use, which ends with `self`'s last call.
        let state = unsafe {
            let state = &mut *self.state;
            jpeg_mem_src(state, data.as_ptr(), data.len() as _);
            jpeg_read_header(state, 1);
            state
        };
        if (state.image_width, state.image_height) != (width, height) {
            return Err(Failure::Broken("its frame headers disagree".into()));
        }
        let (space, channels) = match inks {
            Inks::Rgb => (J_COLOR_SPACE::JCS_RGB, 3),
            Inks::Cmyk => (J_COLOR_SPACE::JCS_CMYK, 4),
        };
        state.out_color_space = space;
        // The whole file is read before the first pixel is made, so that its coefficients can be seen.
        state.buffered_image = 1;
        // SAFETY: as above; the header was read.
        unsafe {
            if jpeg_start_decompress(state) == 0 {
                return Err(Failure::Cut);
            }
            loop {
                match jpeg_consume_input(state) {
                    SUSPENDED => return Err(Failure::Cut),
                    REACHED_EOI => break,
                    _ => {}
                }
            }
            if !is_in_range(state) {
                return Err(Failure::Broken("it has samples far outside what 8 bits hold".into()));
            }
            let last = state.input_scan_number;
            if jpeg_start_output(state, last) == 0 {
                return Err(Failure::Cut);
            }
        }
        let (columns, rows) = (state.output_width as usize, state.output_height as usize);
        if (columns, rows, state.output_components) != (width as usize, height as usize, channels) {
            return Err(Failure::Broken("it has a different number of pixels than it says".into()));
        }
        let stride = columns * channels as usize;
        let mut values = vec![0; stride * rows];
        for row in values.chunks_exact_mut(stride) {
            let mut row = row.as_mut_ptr();
            // SAFETY: as above; the library writes `output_width * output_components` bytes to the one row.
            if unsafe { jpeg_read_scanlines(state, &mut row, 1) } == 0 {
                return Err(Failure::Cut);
            }
        }
        // SAFETY: as above.
        if unsafe { jpeg_finish_output(state) == 0 || jpeg_finish_decompress(state) == 0 } {
            return Err(Failure::Cut);
        }
        // SAFETY: `new` made it, and nothing else refers to it now.
        let reports = unsafe { &*self.reports };
        Ok(Samples { values, stray_bytes: reports.stray_bytes, guessed_colours: reports.guessed_colours })
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: `new` made both; the library frees what it allocated, and does so after an error too.
        unsafe {
            jpeg_destroy_decompress(&mut *self.state);
            drop(Box::from_raw(self.state));
            drop(Box::from_raw(self.reports));
        }
    }
}

/// Whether every block holds samples that 8 bits hold, or would but for coarse coefficients. Beyond that, which only
/// damage or intent reaches, the library's plain code wraps where its vector code saturates, so that there is no one
/// answer.
///
/// # Safety
/// All input of `state` was read in buffered-image mode.
unsafe fn is_in_range(state: &mut jpeg_decompress_struct) -> bool {
    // SAFETY: the arrays and the components are the library's, as many as there are components, and live as long as
    // `state`; each row that is asked for holds at least as many blocks as the component is wide.
    unsafe {
        let arrays = jpeg_read_coefficients(state);
        let Some(access) = (*state.common.mem).access_virt_barray else { return false };
        for n in 0..state.num_components as usize {
            let component = state.comp_info.add(n);
            // A component without a scan has no table, and is of one colour.
            let Some(table) = (*component).quant_table.as_ref() else { continue };
            let steps = table.quantval.map(f32::from);
            for row in 0..(*component).height_in_blocks {
                let blocks = *access(&mut state.common, *arrays.add(n), row, 1, 0);
                let blocks = std::slice::from_raw_parts(blocks, (*component).width_in_blocks as usize);
                if !blocks.iter().all(|block| is_block_in_range(block, &steps)) {
                    return false;
                }
            }
        }
    }
    true
}

/// The same of one block and its quantisation table, both by rows of rising vertical frequency.
fn is_block_in_range(block: &[i16; 64], steps: &[f32; 64]) -> bool {
    /// No sample is above the sum of all amplitudes by 4.
    const SURE: f32 = 4.0 * 500.0;
    /// The plain code wraps at 512.
    const SAMPLE: f32 = 500.0;
    /// Vector code adds two coefficients in 16 bits, and two sums of a column, which by then are scaled by √128.
    const COEFFICIENT: f32 = 16_000.0;
    const COLUMN: f32 = 1_440.0;
    let mut sums = [0_f32; 8];
    let mut amplitudes = [[0_f32; 8]; 8];
    for (row, (values, steps)) in amplitudes.iter_mut().zip(block.as_chunks::<8>().0.iter().zip(steps.as_chunks::<8>().0)) {
        for at in 0..8 {
            row[at] = f32::from(values[at]) * steps[at];
            sums[at] += row[at].abs();
        }
    }
    if sums.iter().sum::<f32>() < SURE {
        return true;
    }
    let largest = |rows: &[[f32; 8]; 8]| rows.as_flattened().iter().fold(0_f32, |most, v| most.max(v.abs()));
    let columns = transformed(&amplitudes);
    largest(&amplitudes) < COEFFICIENT && largest(&columns) < COLUMN && largest(&transformed(&columns)) < SAMPLE
}

/// The inverse cosine transform of each column, and rows and columns exchanged.
fn transformed(amplitudes: &[[f32; 8]; 8]) -> [[f32; 8]; 8] {
    let mut out = [[0_f32; 8]; 8];
    for (place, basis) in BASIS.iter().enumerate() {
        for (weight, row) in basis.iter().zip(amplitudes) {
            for (column, amplitude) in row.iter().enumerate() {
                out[column][place] += weight * amplitude;
            }
        }
    }
    out
}

/// By place and frequency: `cos((2 place + 1) frequency π / 16) / 2`, and `1 / √8` for frequency 0.
static BASIS: LazyLock<[[f32; 8]; 8]> = LazyLock::new(|| {
    std::array::from_fn(|place| {
        std::array::from_fn(|frequency| match frequency {
            0 => 0.125_f32.sqrt(),
            _ => (((2 * place + 1) * frequency) as f32 * std::f32::consts::PI / 16.0).cos() / 2.0,
        })
    })
});

/// Takes an error of the library, and does not return.
unsafe extern "C-unwind" fn stop(state: &mut jpeg_common_struct) {
    // SAFETY: `err` points to the reports of the decoder whose state this is.
    let code = unsafe { (*state.err).msg_code };
    let failure = match code {
        JWRN_HIT_MARKER | JWRN_JPEG_EOF => Failure::Cut,
        JERR_OUT_OF_MEMORY => Failure::Memory,
        JERR_NOTIMPL | JERR_CCIR601_NOTIMPL | JERR_CONVERSION_NOTIMPL | JERR_FRACT_SAMPLE_NOTIMPL => {
            Failure::Unsupported(message(state))
        }
        _ => Failure::Broken(message(state)),
    };
    resume_unwind(Box::new(failure));
}

/// Takes a warning of the library; below level 0 its messages are that.
unsafe extern "C-unwind" fn hear(state: &mut jpeg_common_struct, level: c_int) {
    if level >= 0 {
        return;
    }
    // SAFETY: `err` points to the reports of the decoder whose state this is.
    let reports = unsafe { &mut *state.err.cast::<Reports>() };
    match reports.library.msg_code {
        JWRN_EXTRANEOUS_DATA => reports.stray_bytes = true,
        JWRN_ADOBE_XFORM => reports.guessed_colours = true,
        // A later revision, and numbers that mean nothing in a file that is not progressive.
        JWRN_JFIF_MAJOR | JWRN_NOT_SEQUENTIAL => {}
        // SAFETY: as this function.
        _ => unsafe { stop(state) },
    }
}

/// The library's message.
fn message(state: &mut jpeg_common_struct) -> String {
    /// `JMSG_LENGTH_MAX`; the binding says 80, which is too few.
    const LONGEST: usize = 200;
    let mut text = [0_u8; LONGEST];
    // SAFETY: the library's own function, whose second parameter is a buffer that it fills with a string of at most so
    // many bytes, zero at its end.
    unsafe {
        if let Some(format) = (*state.err).format_message {
            type Format = unsafe extern "C-unwind" fn(*mut jpeg_common_struct, *mut u8);
            let format = std::mem::transmute::<unsafe extern "C-unwind" fn(&mut jpeg_common_struct, &[u8; 80]), Format>(format);
            format(ptr::from_mut(state), text.as_mut_ptr());
        }
    }
    let text = CStr::from_bytes_until_nul(&text).map_or("its decoder gave up".into(), CStr::to_string_lossy);
    text.strip_prefix("Corrupt JPEG data: ").unwrap_or(&text).to_owned()
}
