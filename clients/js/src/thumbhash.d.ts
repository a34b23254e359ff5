// SPDX-License-Identifier: MIT

/** Base64 becomes bytes; bytes stay. */
export function thumbHashBytes(hash: string | Uint8Array): Uint8Array;
/** The picture: at most 32 by 32 pixels, four bytes each. */
export function thumbHashToRgba(hash: string | Uint8Array): { width: number; height: number; rgba: Uint8ClampedArray };
/** The average colour, each 0 … 1. */
export function thumbHashColor(hash: string | Uint8Array): { r: number; g: number; b: number; a: number };
/** Width by height, about. */
export function thumbHashRatio(hash: string | Uint8Array): number;
