//! The decoder of libjpeg-turbo, with which Pillow, OpenCV and torchvision read JPEG files: the same integers, so the same
//! pixels. It is the C code that mozjpeg shares with it, without assembler, so that a C compiler is all it needs. Where its
//! plain code is slow, vectors do the same: the inverse transform of each block, and of most files all that follows.
//!
//! Only this module hands memory to C. An error reaches it by a call that must not return: that unwinds from here through
//! the library, which is compiled for it, to [`decompress`], and no further.

#![allow(unsafe_code)]

#[cfg(panic = "abort")]
compile_error!("msdata needs `panic = \"unwind\"`: a broken JPEG file would end the program");

use super::jpeg_blocks::samples;
use super::jpeg_colours::{Bands, Sharing};
use mozjpeg_sys::{
    J_COLOR_SPACE, JERR_CCIR601_NOTIMPL, JERR_CONVERSION_NOTIMPL, JERR_FRACT_SAMPLE_NOTIMPL, JERR_NOTIMPL, JERR_OUT_OF_MEMORY,
    JWRN_ADOBE_XFORM, JWRN_EXTRANEOUS_DATA, JWRN_HIT_MARKER, JWRN_JFIF_MAJOR, JWRN_JPEG_EOF, JWRN_NOT_SEQUENTIAL,
    jpeg_common_struct, jpeg_component_info, jpeg_create_decompress, jpeg_decompress_struct, jpeg_destroy_decompress,
    jpeg_error_mgr, jpeg_finish_decompress, jpeg_mem_src, jpeg_read_header, jpeg_read_raw_data, jpeg_read_scanlines,
    jpeg_start_decompress, jpeg_std_error,
};
use std::ffi::{CStr, c_int, c_uint};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

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
    out_of_range: bool,
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
        let sharing = if inks == Inks::Rgb { sharing(state) } else { None };
        state.raw_data_out = sharing.is_some().into();
        // SAFETY: as above; the header was read.
        unsafe {
            jpeg_set_idct_method_selector(state, select);
            if jpeg_start_decompress(state) == 0 {
                return Err(Failure::Cut);
            }
        }
        let (columns, rows) = (state.output_width as usize, state.output_height as usize);
        if (columns, rows, state.output_components) != (width as usize, height as usize, channels) {
            return Err(Failure::Broken("it has a different number of pixels than it says".into()));
        }
        let stride = columns * channels as usize;
        let mut values = vec![0; stride * rows];
        match sharing {
            Some(sharing) => read_bands(state, sharing, &mut values)?,
            None => read_rows(state, values.chunks_exact_mut(stride))?,
        }
        // SAFETY: as above.
        if unsafe { jpeg_finish_decompress(state) == 0 } {
            return Err(Failure::Cut);
        }
        // SAFETY: `new` made it, and nothing else refers to it now.
        let reports = unsafe { &*self.reports };
        if reports.out_of_range {
            return Err(Failure::Broken("it has samples far outside what 8 bits hold".into()));
        }
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

/// How the pixels of `state`, whose header was read, share the samples of their colour differences; `None`: in a way that the
/// library is left to make colours of, or it is not smooth, as of four columns and fewer.
fn sharing(state: &jpeg_decompress_struct) -> Option<Sharing> {
    if (state.jpeg_color_space, state.num_components) != (J_COLOR_SPACE::JCS_YCbCr, 3) {
        return None;
    }
    let factors: Vec<_> = components(state).iter().map(|component| [component.h_samp_factor, component.v_samp_factor]).collect();
    match factors[..] {
        [[1, 1], [1, 1], [1, 1]] => Some(Sharing::One),
        [[2, 1], [1, 1], [1, 1]] if state.image_width > 4 => Some(Sharing::Two),
        [[2, 2], [1, 1], [1, 1]] if state.image_width > 4 => Some(Sharing::Four),
        _ => None,
    }
}

/// The components of `state`, whose header was read.
fn components(state: &jpeg_decompress_struct) -> &[jpeg_component_info] {
    // SAFETY: the library's array is of so many, and lives as long as `state`.
    unsafe { std::slice::from_raw_parts(state.comp_info, state.num_components as usize) }
}

/// Makes the colours of `state`, which was started to give planes.
fn read_bands(state: &mut jpeg_decompress_struct, sharing: Sharing, rgb: &mut [u8]) -> Result<(), Failure> {
    let blocks = std::array::from_fn(|plane| components(state)[plane].width_in_blocks);
    let mut bands = Bands::new(sharing, state.output_width, state.output_height, blocks);
    while state.output_scanline < state.output_height {
        let mut rows = bands.rows().map(|rows| rows.map(<[u8]>::as_mut_ptr).collect::<Vec<_>>());
        let lines = rows[0].len() as c_uint;
        let mut planes = rows.each_mut().map(|rows| rows.as_mut_ptr());
        // SAFETY: for the `lines`, a row of blocks for each vertical factor, the library writes to the rows of each plane all
        // samples of its blocks, which is what they are long.
        if unsafe { jpeg_read_raw_data(state, planes.as_mut_ptr(), lines) } == 0 {
            return Err(Failure::Cut);
        }
        bands.convert(rgb);
    }
    Ok(())
}

/// Lets the library make the colours of `state`, which was started.
fn read_rows<'a>(state: &mut jpeg_decompress_struct, rows: impl Iterator<Item = &'a mut [u8]>) -> Result<(), Failure> {
    for row in rows {
        let mut row = row.as_mut_ptr();
        // SAFETY: the library writes `output_width * output_components` bytes to the one row, which is what it is long.
        if unsafe { jpeg_read_scanlines(state, &mut row, 1) } == 0 {
            return Err(Failure::Cut);
        }
    }
    Ok(())
}

/// What makes samples of a block: it writes eight of them to each of eight rows, from a column on.
type Transform =
    unsafe extern "C-unwind" fn(*mut jpeg_decompress_struct, *mut jpeg_component_info, *const i16, *const *mut u8, c_uint);

/// What the library asks for the transform of a component; it shows its own, and what kind of table it takes.
type Selector = unsafe extern "C-unwind" fn(*mut jpeg_decompress_struct, *mut jpeg_component_info, *mut Transform, *mut c_int);

unsafe extern "C-unwind" {
    /// The binding has another type for it.
    fn jpeg_set_idct_method_selector(state: *mut jpeg_decompress_struct, selector: Selector);
}

/// Answers [`transform`].
unsafe extern "C-unwind" fn select(
    _: *mut jpeg_decompress_struct,
    _: *mut jpeg_component_info,
    method: *mut Transform,
    _: *mut c_int,
) {
    // SAFETY: it points to the library's variable.
    unsafe { *method = transform };
}

/// [`samples`]; without them, it is noted.
unsafe extern "C-unwind" fn transform(
    state: *mut jpeg_decompress_struct,
    component: *mut jpeg_component_info,
    block: *const i16,
    rows: *const *mut u8,
    column: c_uint,
) {
    // SAFETY: as `Transform`; `err` points to the reports of the decoder whose state this is.
    unsafe {
        // A component without a scan has no table, and is of one colour.
        let steps = (*component).quant_table.as_ref().map_or(&[0; 64], |table| &table.quantval);
        match samples(&*block.cast(), steps) {
            Some(samples) => {
                for (row, samples) in samples.iter().enumerate() {
                    (*rows.add(row)).add(column as usize).cast::<[u8; 8]>().write(*samples);
                }
            }
            None => (*(*state).common.err.cast::<Reports>()).out_of_range = true,
        }
    }
}

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

#[cfg(test)]
mod tests;
