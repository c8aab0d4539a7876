//! The cast: the characters that prompts can ask for.
//!
//! Colours and patterns are chosen for two viewers. People find no two of them alike. And `builtin-texture`, which sees
//! little but colour and texture, finds all of them about equally similar to an average scene: the marks of each coat
//! differ from it by about the same luminance, and only a few characters wear each colour.

use super::figure::Fill::{self, Accent, Mark, Own, Worn};
use super::figure::Pattern::{self, Banded, Checked, Dotted, Ringed, Slanted, Starry, Striped, Zigzag};
use super::figure::{Character, Coat};
use super::shape::Colour;
use super::shape::Shape::{self, Ball, Blob, Both, Face, Line, Poly, Slab};
use crate::vocabulary::SubjectKind::{self, Animal, Human, Object};

const MAROON: Colour = 0x7c2239;
const RED: Colour = 0xd8362f;
const CORAL: Colour = 0xf2776b;
const ORANGE: Colour = 0xf0862a;
const RUST: Colour = 0xa34a16;
const BROWN: Colour = 0x70482c;
const TAN: Colour = 0xd7a86b;
const GOLD: Colour = 0xd9a514;
const YELLOW: Colour = 0xf7cf3c;
const OLIVE: Colour = 0x7d8423;
const LIME: Colour = 0xa4cf3a;
const MINT: Colour = 0xa9e0b8;
const GREEN: Colour = 0x2f9146;
const PINE: Colour = 0x14512a;
const TEAL: Colour = 0x1c8f94;
const AQUA: Colour = 0x6fd8d2;
const SKY: Colour = 0x6ec1ec;
const BLUE: Colour = 0x2d5cc4;
const NAVY: Colour = 0x24305e;
const INDIGO: Colour = 0x4b3fa8;
const VIOLET: Colour = 0x8146b8;
const LAVENDER: Colour = 0xbca6e8;
const MAGENTA: Colour = 0xc2379a;
const PINK: Colour = 0xf28dba;
const ROSE: Colour = 0xe0507f;
const PLUM: Colour = 0x5a2463;
const CREAM: Colour = 0xf4ead2;
const SILVER: Colour = 0xc9ced8;
const GREY: Colour = 0x8d93a0;
const CHARCOAL: Colour = 0x3a3548;
const WHITE: Colour = 0xfbfaf5;

// Skin, hair and wood, which no coat has.
const FAIR: Colour = 0xf6d3b3;
const TANNED: Colour = 0xd69a66;
const DEEP: Colour = 0x8f5b3b;
const AUBURN: Colour = 0xc9692e;
const WOOD: Colour = 0x9a6a42;

const fn coat(base: Colour, pattern: Pattern, mark: Colour, accent: Colour) -> Coat {
    Coat { base, pattern, mark, accent, stain: None }
}

const fn character(label: &'static str, kind: SubjectKind, coat: Coat, parts: &'static [(Fill, Shape)]) -> Character {
    Character { label, kind, coat, parts }
}

/// All characters.
#[rustfmt::skip] // a table: one shape per line
pub const CAST: &[Character] = &[
    character("rose banded sailor", Human, coat(ROSE, Banded, MAROON, GREEN), &[
        (Own(NAVY), Both(&Slab(37, 78, 48, 97, 3))),
        (Worn, Both(&Blob(&[(33, 54), (20, 66), (19, 78), (27, 78), (36, 68)]))),
        (Worn, Slab(31, 50, 69, 86, 9)),
        (Accent, Poly(&[(40, 51), (60, 51), (50, 64)])),
        (Own(TANNED), Ball(50, 33, 19, 19)),
        (Own(WHITE), Slab(30, 9, 70, 21, 5)),
        (Accent, Slab(32, 17, 68, 22, 2)),
        (Own(CHARCOAL), Face(50, 35, 8)),
    ]),
    character("plum starry wizard", Human, coat(PLUM, Starry, LIME, PINE), &[
        (Worn, Blob(&[(50, 40), (68, 58), (82, 94), (50, 97), (18, 94), (32, 58)])),
        (Own(FAIR), Ball(50, 36, 18, 17)),
        (Own(WHITE), Blob(&[(34, 42), (50, 48), (66, 42), (62, 64), (50, 78), (38, 64)])),
        (Worn, Poly(&[(54, 1), (71, 27), (29, 27)])),
        (Mark, Slab(22, 24, 78, 30, 3)),
        (Own(CHARCOAL), Face(50, 37, 8)),
        (Own(WOOD), Line(&[(84, 97), (86, 60), (84, 34)], 3)),
        (Accent, Ball(84, 29, 6, 6)),
    ]),
    character("aqua checked cook", Human, coat(AQUA, Checked, TEAL, GREEN), &[
        (Own(CHARCOAL), Both(&Slab(34, 86, 47, 97, 4))),
        (Own(WHITE), Both(&Ball(22, 64, 8, 15))),
        (Own(WHITE), Ball(50, 69, 30, 23)),
        (Worn, Blob(&[(36, 54), (64, 54), (73, 76), (66, 92), (34, 92), (27, 76)])),
        (Own(DEEP), Ball(50, 36, 18, 17)),
        (Accent, Slab(37, 49, 63, 56, 3)),
        (Own(WHITE), Blob(&[(36, 22), (26, 12), (36, 3), (50, 6), (64, 3), (74, 12), (64, 22)])),
        (Own(WHITE), Slab(35, 17, 65, 26, 2)),
        (Own(CHARCOAL), Face(50, 37, 8)),
    ]),
    character("lime candy-striped queen", Human, coat(LIME, Slanted, NAVY, SILVER), &[
        (Own(AUBURN), Blob(&[(50, 12), (72, 24), (76, 50), (66, 62), (34, 62), (24, 50), (28, 24)])),
        (Worn, Blob(&[(50, 48), (62, 56), (84, 92), (50, 97), (16, 92), (38, 56)])),
        (Worn, Both(&Ball(33, 61, 6, 12))),
        (Own(FAIR), Ball(50, 35, 18, 18)),
        (Own(AUBURN), Blob(&[(32, 30), (50, 16), (68, 30), (58, 26), (50, 23), (42, 26)])),
        (Accent, Poly(&[(33, 19), (31, 3), (41, 11), (50, 1), (59, 11), (69, 3), (67, 19)])),
        (Own(CHARCOAL), Face(50, 37, 8)),
    ]),
    character("mint banded astronaut", Human, coat(MINT, Banded, INDIGO, BROWN), &[
        (Accent, Slab(24, 48, 76, 82, 8)),
        (Worn, Both(&Slab(33, 74, 48, 97, 6))),
        (Worn, Both(&Ball(24, 65, 8, 16))),
        (Worn, Slab(31, 50, 69, 86, 12)),
        (Mark, Ball(50, 29, 27, 26)),
        (Own(SKY), Ball(50, 31, 21, 19)),
        (Own(TANNED), Ball(50, 34, 16, 15)),
        (Own(CHARCOAL), Face(50, 34, 7)),
        (Accent, Slab(41, 62, 59, 73, 3)),
    ]),
    character("green dotted gardener", Human, coat(PINE, Dotted, BLUE, YELLOW), &[
        (Own(CHARCOAL), Both(&Slab(33, 88, 48, 97, 4))),
        (Own(CREAM), Both(&Blob(&[(34, 52), (21, 62), (20, 78), (28, 78), (37, 66)]))),
        (Own(CREAM), Slab(33, 50, 67, 70, 8)),
        (Worn, Blob(&[(36, 60), (64, 60), (72, 76), (69, 92), (53, 92), (50, 86), (47, 92), (31, 92), (28, 76)])),
        (Own(BROWN), Both(&Ball(31, 46, 6, 12))),
        (Own(TANNED), Ball(50, 36, 18, 17)),
        (Accent, Ball(50, 23, 34, 7)),
        (Accent, Blob(&[(32, 22), (36, 8), (50, 4), (64, 8), (68, 22)])),
        (Mark, Slab(33, 17, 67, 22, 2)),
        (Own(CHARCOAL), Face(50, 38, 8)),
    ]),
    character("pink ringed dancer", Human, coat(PINK, Ringed, TEAL, PINE), &[
        (Own(DEEP), Both(&Slab(39, 70, 46, 94, 3))),
        (Accent, Both(&Ball(41, 94, 6, 4))),
        (Own(DEEP), Both(&Line(&[(38, 54), (24, 46), (22, 30)], 5))),
        (Accent, Slab(38, 48, 62, 72, 7)),
        (Worn, Blob(&[(50, 60), (72, 62), (90, 74), (70, 82), (50, 79), (30, 82), (10, 74), (28, 62)])),
        (Own(CHARCOAL), Ball(50, 10, 9, 9)),
        (Own(CHARCOAL), Ball(50, 31, 19, 19)),
        (Own(DEEP), Blob(&[(50, 20), (65, 28), (65, 42), (50, 50), (35, 42), (35, 28)])),
        (Own(CHARCOAL), Face(50, 35, 7)),
    ]),
    character("magenta zigzag clown", Human, coat(MAGENTA, Zigzag, PLUM, BLUE), &[
        (Own(RED), Both(&Ball(34, 94, 14, 5))),
        (Worn, Both(&Ball(23, 66, 8, 14))),
        (Worn, Blob(&[(50, 49), (68, 56), (76, 76), (62, 92), (50, 88), (38, 92), (24, 76), (32, 56)])),
        (Mark, Blob(&[(30, 50), (40, 47), (50, 50), (60, 47), (70, 50), (66, 58), (50, 56), (34, 58)])),
        (Accent, Both(&Ball(29, 27, 13, 13))),
        (Own(FAIR), Ball(50, 33, 19, 19)),
        (Accent, Poly(&[(50, 1), (60, 17), (40, 17)])),
        (Own(CHARCOAL), Face(50, 33, 8)),
        (Own(RED), Ball(50, 37, 4, 4)),
    ]),
    character("gold striped cat", Animal, coat(GOLD, Striped, NAVY, SILVER), &[
        (Mark, Line(&[(70, 90), (88, 84), (88, 66), (80, 58)], 7)),
        (Worn, Blob(&[(50, 46), (70, 64), (74, 92), (50, 97), (26, 92), (30, 64)])),
        (Accent, Ball(50, 80, 13, 16)),
        (Worn, Both(&Poly(&[(24, 6), (46, 20), (26, 36)]))),
        (Worn, Ball(50, 35, 28, 24)),
        (Accent, Ball(50, 44, 12, 8)),
        (Own(CHARCOAL), Face(50, 36, 11)),
        (Accent, Both(&Ball(39, 94, 9, 5))),
    ]),
    character("brown candy-striped rabbit", Animal, coat(BROWN, Slanted, TAN, PINK), &[
        (Worn, Both(&Ball(37, 26, 9, 22))),
        (Accent, Both(&Ball(37, 26, 4, 15))),
        (Worn, Ball(50, 77, 25, 20)),
        (Mark, Ball(50, 80, 14, 14)),
        (Worn, Ball(50, 52, 23, 18)),
        (Mark, Both(&Ball(34, 93, 11, 5))),
        (Accent, Ball(50, 56, 3, 2)),
        (Own(CHARCOAL), Face(50, 52, 10)),
    ]),
    character("grey dotted owl", Animal, coat(GREY, Dotted, MAROON, GOLD), &[
        (Worn, Both(&Poly(&[(22, 8), (46, 22), (26, 34)]))),
        (Worn, Blob(&[(50, 14), (74, 26), (80, 62), (68, 92), (50, 96), (32, 92), (20, 62), (26, 26)])),
        (Mark, Both(&Blob(&[(20, 48), (30, 58), (30, 80), (22, 88), (14, 70)]))),
        (Own(CREAM), Both(&Ball(38, 38, 13, 13))),
        (Own(CHARCOAL), Face(50, 38, 12)),
        (Accent, Poly(&[(45, 42), (55, 42), (50, 54)])),
        (Accent, Both(&Ball(40, 95, 8, 3))),
    ]),
    character("yellow striped fish", Animal, coat(YELLOW, Striped, INDIGO, ROSE), &[
        (Accent, Blob(&[(22, 56), (4, 36), (2, 56), (4, 78)])),
        (Accent, Blob(&[(36, 38), (46, 18), (70, 24), (68, 40)])),
        (Accent, Blob(&[(46, 80), (44, 96), (62, 92), (62, 80)])),
        (Worn, Ball(54, 57, 40, 27)),
        (Mark, Blob(&[(40, 56), (54, 62), (50, 72), (36, 68)])),
        (Own(CHARCOAL), Face(76, 52, 8)),
    ]),
    character("green checked turtle", Animal, coat(GREEN, Checked, YELLOW, LIME), &[
        (Accent, Both(&Slab(18, 78, 36, 97, 7))),
        (Accent, Blob(&[(66, 70), (74, 44), (90, 40), (97, 52), (92, 66), (80, 82)])),
        (Worn, Blob(&[(8, 80), (14, 54), (42, 36), (70, 54), (78, 80), (42, 87)])),
        (Mark, Slab(6, 78, 80, 85, 3)),
        (Own(CHARCOAL), Face(86, 52, 6)),
    ]),
    character("blue ringed elephant", Animal, coat(BLUE, Ringed, YELLOW, VIOLET), &[
        (Worn, Both(&Slab(26, 72, 46, 97, 6))),
        (Worn, Ball(50, 72, 30, 20)),
        (Mark, Both(&Blob(&[(34, 18), (12, 16), (4, 38), (18, 58), (36, 48)]))),
        (Accent, Both(&Ball(20, 37, 8, 12))),
        (Worn, Ball(50, 37, 25, 25)),
        (Own(CHARCOAL), Face(50, 34, 11)),
        (Mark, Line(&[(50, 46), (49, 62), (56, 76), (66, 74)], 10)),
    ]),
    character("grey ringed snail", Animal, coat(GREY, Ringed, RUST, SILVER), &[
        (Accent, Line(&[(82, 56), (78, 36)], 3)),
        (Accent, Line(&[(90, 56), (94, 36)], 3)),
        (Accent, Blob(&[(6, 94), (30, 80), (66, 82), (72, 56), (86, 46), (97, 58), (92, 84), (78, 97), (30, 97)])),
        (Worn, Ball(42, 58, 35, 34)),
        (Own(CHARCOAL), Face(84, 62, 7)),
    ]),
    character("cream starry butterfly", Animal, coat(CREAM, Starry, ORANGE, LAVENDER), &[
        (Worn, Both(&Blob(&[(48, 48), (28, 12), (6, 14), (6, 46), (26, 58)]))),
        (Accent, Both(&Blob(&[(48, 56), (22, 62), (14, 84), (32, 94), (46, 74)]))),
        (Own(CHARCOAL), Both(&Line(&[(48, 24), (42, 12), (34, 6)], 2))),
        (Own(CHARCOAL), Slab(43, 38, 57, 94, 7)),
        (Own(CREAM), Ball(50, 32, 15, 14)),
        (Own(CHARCOAL), Face(50, 31, 6)),
    ]),
    character("yellow zigzag robot", Object, coat(YELLOW, Zigzag, TEAL, CHARCOAL), &[
        (Accent, Line(&[(50, 20), (50, 6)], 3)),
        (Own(YELLOW), Ball(50, 6, 5, 5)),
        (Accent, Both(&Slab(34, 82, 46, 97, 3))),
        (Accent, Both(&Slab(14, 52, 25, 80, 5))),
        (Worn, Slab(25, 48, 75, 86, 6)),
        (Accent, Slab(28, 16, 72, 48, 7)),
        (Own(SKY), Slab(33, 21, 67, 43, 5)),
        (Own(CHARCOAL), Face(50, 30, 9)),
    ]),
    character("blue dotted teapot", Object, coat(SKY, Dotted, OLIVE, MAROON), &[
        (Accent, Line(&[(24, 46), (6, 44), (8, 72), (26, 76)], 6)),
        (Accent, Blob(&[(70, 70), (84, 56), (88, 38), (97, 38), (92, 64), (76, 84)])),
        (Accent, Slab(32, 88, 68, 97, 4)),
        (Worn, Ball(50, 64, 32, 29)),
        (Accent, Blob(&[(30, 40), (36, 30), (50, 26), (64, 30), (70, 40), (50, 43)])),
        (Accent, Ball(50, 23, 6, 5)),
        (Own(CHARCOAL), Face(50, 62, 10)),
    ]),
    character("red striped rocket", Object, coat(RED, Striped, MINT, VIOLET), &[
        (Own(YELLOW), Blob(&[(40, 82), (60, 82), (56, 92), (50, 99), (44, 92)])),
        (Accent, Both(&Blob(&[(34, 58), (16, 76), (16, 94), (34, 84)]))),
        (Worn, Blob(&[(50, 2), (68, 26), (70, 62), (62, 86), (38, 86), (30, 62), (32, 26)])),
        (Accent, Blob(&[(50, 1), (61, 14), (63, 22), (50, 25), (37, 22), (39, 14)])),
        (Own(SKY), Ball(50, 44, 15, 14)),
        (Own(CHARCOAL), Face(50, 42, 6)),
    ]),
    character("lime zigzag cactus", Object, coat(LAVENDER, Zigzag, RED, LIME), &[
        (Accent, Line(&[(38, 50), (20, 50), (18, 34)], 11)),
        (Accent, Line(&[(62, 44), (80, 42), (82, 26)], 11)),
        (Accent, Slab(35, 12, 65, 72, 15)),
        (Own(RED), Ball(50, 10, 8, 7)),
        (Worn, Poly(&[(22, 66), (78, 66), (70, 97), (30, 97)])),
        (Mark, Slab(18, 60, 82, 71, 3)),
        (Own(CHARCOAL), Face(50, 38, 7)),
    ]),
    character("green checked clock", Object, coat(GREEN, Checked, CORAL, MINT), &[
        (Mark, Both(&Line(&[(36, 84), (26, 95)], 6))),
        (Mark, Both(&Ball(27, 17, 14, 10))),
        (Mark, Slab(46, 4, 54, 16, 3)),
        (Worn, Ball(50, 53, 39, 38)),
        (Accent, Ball(50, 53, 24, 23)),
        (Own(RED), Line(&[(50, 54), (50, 36)], 2)),
        (Own(RED), Line(&[(50, 54), (64, 48)], 2)),
        (Own(CHARCOAL), Face(50, 55, 10)),
    ]),
    character("tan striped umbrella", Object, coat(TAN, Striped, CREAM, GREEN), &[
        (Accent, Line(&[(50, 54), (50, 88), (58, 95), (66, 88)], 5)),
        (Mark, Slab(48, 4, 52, 16, 2)),
        (Worn, Blob(&[(4, 58), (14, 30), (50, 12), (86, 30), (96, 58), (80, 53), (66, 60), (50, 54), (34, 60), (20, 53)])),
        (Own(CHARCOAL), Face(50, 38, 10)),
    ]),
    character("cream banded house", Object, coat(CREAM, Banded, CORAL, NAVY), &[
        (Own(WOOD), Slab(66, 10, 78, 36, 2)),
        (Worn, Slab(16, 42, 84, 97, 3)),
        (Accent, Poly(&[(50, 6), (95, 46), (5, 46)])),
        (Own(YELLOW), Slab(41, 72, 59, 97, 6)),
        (Own(CREAM), Slab(25, 50, 75, 70, 6)),
        (Own(CHARCOAL), Face(50, 57, 12)),
    ]),
    character("cream starry balloon", Object, coat(CREAM, Starry, GREY, RED), &[
        (Accent, Both(&Line(&[(34, 64), (42, 84)], 2))),
        (Worn, Blob(&[(50, 2), (78, 14), (84, 40), (64, 68), (50, 73), (36, 68), (16, 40), (22, 14)])),
        (Accent, Slab(38, 81, 62, 97, 4)),
        (Own(CHARCOAL), Face(50, 38, 11)),
    ]),
];
