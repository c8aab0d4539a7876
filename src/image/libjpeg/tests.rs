//! The vectors against the library's plain code.

use super::*;
use mozjpeg_sys::{
    J_INT_PARAM, JINT_COMPRESS_PROFILE_VALUE, jpeg_c_set_int_param, jpeg_compress_struct, jpeg_create_compress,
    jpeg_destroy_compress, jpeg_finish_compress, jpeg_mem_dest, jpeg_set_colorspace, jpeg_set_defaults, jpeg_set_quality,
    jpeg_simple_progression, jpeg_start_compress, jpeg_write_scanlines,
};
use std::cell::Cell;

/// How a file is written.
#[derive(Debug, Clone, Copy)]
struct Kind {
    space: J_COLOR_SPACE,
    /// The factors of the first component; those of the others are 1.
    factors: [c_int; 2],
    quality: c_int,
    progressive: bool,
}

const YCC: J_COLOR_SPACE = J_COLOR_SPACE::JCS_YCbCr;

/// Numbers without order, the same every time.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }
}

/// A JPEG file of noise, strong or weak, on a ramp.
fn written(kind: Kind, width: u32, height: u32, noise: &mut Noise) -> Vec<u8> {
    let strength = noise.next() % 256 + 1;
    let mut pixels: Vec<u8> =
        (0..width * height * 3).map(|at| (at / 3 % width * 4).wrapping_add(noise.next() % strength) as u8).collect();
    let (mut start, mut length) = (ptr::null_mut::<u8>(), 0);
    // SAFETY: the library's structures are set up by it, and outlive it; a row is of `width` times three bytes; what it
    // allocates is copied, and a test may leak it.
    unsafe {
        let mut reports: jpeg_error_mgr = std::mem::zeroed();
        let mut state: jpeg_compress_struct = std::mem::zeroed();
        state.common.err = jpeg_std_error(&mut reports);
        jpeg_create_compress(&mut state);
        jpeg_mem_dest(&mut state, &mut start, &mut length);
        (state.image_width, state.image_height, state.input_components) = (width, height, 3);
        state.in_color_space = J_COLOR_SPACE::JCS_RGB;
        let plain = JINT_COMPRESS_PROFILE_VALUE::JCP_FASTEST as c_uint as c_int;
        jpeg_c_set_int_param(&mut state, J_INT_PARAM::JINT_COMPRESS_PROFILE, plain);
        jpeg_set_defaults(&mut state);
        jpeg_set_colorspace(&mut state, kind.space);
        jpeg_set_quality(&mut state, kind.quality, 1);
        let first = &mut *state.comp_info;
        [first.h_samp_factor, first.v_samp_factor] = kind.factors;
        if kind.progressive {
            jpeg_simple_progression(&mut state);
        }
        jpeg_start_compress(&mut state, 1);
        for row in pixels.chunks_exact_mut(3 * width as usize) {
            jpeg_write_scanlines(&mut state, &row.as_ptr(), 1);
        }
        jpeg_finish_compress(&mut state);
        jpeg_destroy_compress(&mut state);
        std::slice::from_raw_parts(start, length as usize).to_vec()
    }
}

/// The pixels that the library makes alone.
fn plainly(data: &[u8]) -> Vec<u8> {
    let decoder = Decoder::new();
    // SAFETY: as in `Decoder::decode`.
    unsafe {
        let state = &mut *decoder.state;
        jpeg_mem_src(state, data.as_ptr(), data.len() as _);
        jpeg_read_header(state, 1);
        state.out_color_space = J_COLOR_SPACE::JCS_RGB;
        jpeg_start_decompress(state);
        let mut pixels = vec![0; (3 * state.output_width * state.output_height) as usize];
        read_rows(state, pixels.chunks_exact_mut(3 * state.output_width as usize)).unwrap();
        pixels
    }
}

#[track_caller]
fn check(data: &[u8], width: u32, height: u32, kind: Kind) {
    let made = decompress(data, width, height, Inks::Rgb).unwrap();
    assert!(made.values == plainly(data), "{kind:?} {width}×{height}");
}

#[test]
fn every_sharing_and_size_is_the_librarys() {
    let mut noise = Noise(1);
    let sizes = (1..=40).flat_map(|size| [(size, 23), (37, size), (size, size)]);
    for (width, height) in sizes.chain([(1, 17), (100, 1), (5, 131), (130, 66)]) {
        for factors in [[1, 1], [2, 1], [2, 2], [1, 2], [4, 1]] {
            for progressive in [false, true] {
                let quality = [30, 75, 90, 96][noise.next() as usize % 4];
                let kind = Kind { space: YCC, factors, quality, progressive };
                check(&written(kind, width, height, &mut noise), width, height, kind);
            }
        }
    }
}

#[test]
fn so_are_other_colours() {
    let mut noise = Noise(2);
    for space in [J_COLOR_SPACE::JCS_GRAYSCALE, J_COLOR_SPACE::JCS_RGB] {
        for (width, height) in [(1, 1), (16, 8), (17, 33), (64, 9)] {
            let kind = Kind { space, factors: [1, 1], quality: 90, progressive: false };
            check(&written(kind, width, height, &mut noise), width, height, kind);
        }
    }
}

/// Of a progressive file that ends after some of its scans, the library makes up what is missing from the blocks around.
#[test]
fn so_are_files_with_a_part_of_their_scans() {
    let mut noise = Noise(3);
    for factors in [[1, 1], [2, 2]] {
        let kind = Kind { space: YCC, factors, quality: 85, progressive: true };
        let file = written(kind, 75, 50, &mut noise);
        let scans: Vec<usize> = (0..file.len()).filter(|at| file[*at..].starts_with(b"\xff\xda")).collect();
        assert_eq!(scans.len(), 10);
        let mut different = Vec::new();
        for scan in &scans[1..] {
            let part = [&file[..*scan], b"\xff\xd9"].concat();
            check(&part, 75, 50, kind);
            different.push(plainly(&part));
        }
        different.dedup();
        assert!(different.len() > 4, "the scans add nothing");
    }
}

thread_local! {
    static PLAIN: Cell<Option<Transform>> = const { Cell::new(None) };
    static BLOCKS: Cell<[usize; 2]> = const { Cell::new([0; 2]) };
}

/// Blocks of every kind that files do not come with, up to the limits of what is in range.
#[test]
fn blocks_near_the_limits_are_the_librarys() {
    unsafe extern "C-unwind" fn choose(
        _: *mut jpeg_decompress_struct,
        _: *mut jpeg_component_info,
        method: *mut Transform,
        _: *mut c_int,
    ) {
        // SAFETY: it points to the library's variable.
        PLAIN.set(Some(unsafe { std::mem::replace(&mut *method, compare) }));
    }

    unsafe extern "C-unwind" fn compare(
        state: *mut jpeg_decompress_struct,
        component: *mut jpeg_component_info,
        _: *const i16,
        _: *const *mut u8,
        _: c_uint,
    ) {
        let mut noise = Noise(4);
        for _ in 0..200_000 {
            let mut block = [0_i16; 64];
            let (many, most) = (noise.next() % 64 + 1, 1 << (noise.next() % 15));
            for _ in 0..many {
                block[noise.next() as usize % 64] = (noise.next() % (2 * most)) as i16 - most as i16;
            }
            let mut expected = [[0; 8]; 8];
            let rows = expected.each_mut().map(|row| row.as_mut_ptr());
            // SAFETY: as `Transform`: the rows are of eight samples.
            let steps = unsafe {
                PLAIN.get().unwrap()(state, component, block.as_ptr(), rows.as_ptr(), 0);
                (*(*component).quant_table).quantval
            };
            assert_eq!(steps, [1; 64]);
            let [mut within, mut beyond] = BLOCKS.get();
            match samples(&block, &steps) {
                Some(samples) => {
                    assert_eq!(samples, expected, "{block:?}");
                    within += 1;
                }
                None => beyond += 1,
            }
            BLOCKS.set([within, beyond]);
        }
    }

    let kind = Kind { space: YCC, factors: [1, 1], quality: 100, progressive: false };
    let file = written(kind, 1, 1, &mut Noise(5));
    let decoder = Decoder::new();
    // SAFETY: as in `Decoder::decode`.
    unsafe {
        let state = &mut *decoder.state;
        jpeg_mem_src(state, file.as_ptr(), file.len() as _);
        jpeg_read_header(state, 1);
        jpeg_set_idct_method_selector(state, choose);
        jpeg_start_decompress(state);
        read_rows(state, [&mut [0; 3][..]].into_iter()).unwrap();
    }
    let [within, beyond] = BLOCKS.get();
    assert!(within > 300_000 && beyond > 100_000, "{within} {beyond}");
}
