/* SPDX-License-Identifier: MIT
 *
 * A provider's answer is a stranger's file: what it should be becomes a cut-out, everything else an
 * error of the provider's, and no answer takes the child with it.
 */
#include "cutting.h"

#include "base/io.h"
#include "base/mem.h"

#include <archive.h>
#include <archive_entry.h>

#define W 600
#define H 400
#define R (H / 4)

static struct darkroom *room;
static int original;

static int begin(void **state)
{
	(void)state;
	if (vips_init("test") != 0)
		return -1;
	room = room_with(plain_room());
	original = save(scene_of(ON_BLUR, W, H), ".jpg");
	return 0;
}

static int end(void **state)
{
	(void)state;
	darkroom_free(room);
	fd_close(&original);
	vips_shutdown();
	return 0;
}

static enum err_code compose(int answer, const struct cut *c, struct darkroom_cut_result *r,
	struct err *e)
{
	return cut_once(room, original, answer, c, CUT_DO_COMPOSE, r, e);
}

static void assert_refused(int answer, const char *word)
{
	struct err e;
	struct darkroom_cut_result r;
	const struct cut c = cut_usual();
	assert_err(compose(answer, &c, &r, &e), ERR_MATTE_PROVIDER);
	assert_false(r.has_output || r.crashed);
	if (!strstr(e.text, word))
		fail_msg("no '%s' in: %s", word, e.text);
	print_message("# %s\n", e.text);
}

static void a_png_with_alpha_is_the_cut_out(void **state)
{
	(void)state;
	struct err e;
	struct darkroom_cut_result r;
	const struct cut c = cut_usual();
	autofd answer = save(scene_of(ON_NOTHING, W, H), ".png");
	assert_ok(compose(answer, &c, &r, &e));
	assert_true(r.done && !r.none);
	assert_int_equal(r.engine, CUT_REMOTE);
	assert_true(r.confidence < 0);
	assert_int_equal(r.format, FORMAT_JPEG); /* of the original */
	assert_true(r.thumbhash[0] != '\0');
	VipsImage *im = open_result(&r);
	assert_true(overlap(im, W / 2.0, H / 2.0, R) > 0.98);
	g_object_unref(im);
	darkroom_cut_done(&r);
}

static void a_smaller_answer_makes_a_smaller_cut_out(void **state)
{
	(void)state;
	struct err e;
	struct darkroom_cut_result r;
	struct cut c = cut_usual();
	autofd answer = save(scene_of(ON_NOTHING, W / 2, H / 2), ".png");
	c.crop = true;
	assert_ok(compose(answer, &c, &r, &e));
	assert_int_equal(r.width, W);
	assert_in_range(r.output.width, R - 2, R + 3);
	assert_in_range(r.left, W / 2 - R - 4, W / 2 - R + 4); /* in the original's pixels */
	assert_in_range(r.top, H / 2 - R - 4, H / 2 - R + 4);
	darkroom_cut_done(&r);
}

static void an_answer_of_nothing_is_no_subject(void **state)
{
	(void)state;
	struct err e;
	struct darkroom_cut_result r;
	const struct cut c = cut_usual();
	VipsImage *nothing;
	assert_int_equal(vips_black(&nothing, W, H, "bands", 4, NULL), 0);
	autofd answer = save(nothing, ".png");
	assert_ok(compose(answer, &c, &r, &e));
	assert_true(r.done && r.none && !r.has_output);
}

/* ---- zips ------------------------------------------------------------------------------------- */

struct part {
	const char *name;
	int fd;       /* its bytes, */
	size_t zeros; /* or so many zeros */
};

static int zip_of(const struct part *parts, size_t n)
{
	struct err e;
	static char space[8 << 20];
	size_t used, got;
	struct archive *a = archive_write_new();
	archive_write_set_format_zip(a);
	assert_int_equal(archive_write_open_memory(a, space, sizeof(space), &used), ARCHIVE_OK);
	for (size_t i = 0; i < n; i++) {
		size_t bytes = parts[i].zeros > 0 ? parts[i].zeros : (size_t)io_size(parts[i].fd);
		autofree char *data = mem_zalloc(bytes);
		if (parts[i].zeros == 0)
			assert_ok(io_pread(parts[i].fd, data, bytes, 0, &got, &e));
		struct archive_entry *entry = archive_entry_new();
		archive_entry_set_pathname(entry, parts[i].name);
		archive_entry_set_size(entry, (int64_t)bytes);
		archive_entry_set_filetype(entry, AE_IFREG);
		assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
		assert_int_equal(archive_write_data(a, data, bytes), bytes);
		archive_entry_free(entry);
	}
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
	return sealed(space, used);
}

static int color_jpg(int w, int h)
{
	VipsImage *rgba = scene_of(ON_NOTHING, w, h), *rgb;
	assert_int_equal(vips_extract_band(rgba, &rgb, 0, "n", 3, NULL), 0);
	g_object_unref(rgba);
	return save(rgb, ".jpg[Q=95]");
}

static int alpha_png(int w, int h)
{
	VipsImage *rgba = scene_of(ON_NOTHING, w, h), *band, *grey;
	assert_int_equal(vips_extract_band(rgba, &band, 3, NULL), 0);
	assert_int_equal(vips_copy(band, &grey, "interpretation", VIPS_INTERPRETATION_B_W, NULL),
		0);
	g_object_unref(rgba);
	g_object_unref(band);
	return save(grey, ".png");
}

static void a_zip_of_colours_and_alpha_is_joined(void **state)
{
	(void)state;
	struct err e;
	struct darkroom_cut_result r;
	struct cut c = cut_usual();
	autofd color = color_jpg(W, H), alpha = alpha_png(W, H);
	autofd zip = zip_of((struct part[]){ { "color.jpg", color }, { "alpha.png", alpha } }, 2);
	VipsImage *was = scene_of(ON_NOTHING, W, H);
	assert_ok(compose(zip, &c, &r, &e));
	assert_int_equal(r.engine, CUT_REMOTE);
	VipsImage *im = open_result(&r);
	for (int y = 0; y < H; y += 3)
		for (int x = 0; x < W; x++)
			assert_int_equal(value_at(im, x, y, 3), value_at(was, x, y, 3));
	assert_in_range(value_at(im, W / 2, H / 2, 0), value_at(was, W / 2, H / 2, 0) - 8,
		value_at(was, W / 2, H / 2, 0) + 8);
	g_object_unref(im);
	g_object_unref(was);
	darkroom_cut_done(&r);
}

static void a_zip_that_is_not_whole_is_refused(void **state)
{
	(void)state;
	autofd color = color_jpg(W, H), alpha = alpha_png(W, H), smaller = alpha_png(W / 2, H / 2);
	autofd one = zip_of((struct part[]){ { "color.jpg", color } }, 1);
	assert_refused(one, "color.jpg and alpha.png");
	autofd elsewhere = zip_of((struct part[]){ { "../color.jpg", color },
					  { "/alpha.png", alpha } },
		2);
	assert_refused(elsewhere, "color.jpg and alpha.png");
	autofd uneven = zip_of((struct part[]){ { "color.jpg", color }, { "alpha.png", smaller } },
		2);
	assert_refused(uneven, "alpha of");
	autofd swapped = zip_of((struct part[]){ { "color.jpg", alpha }, { "alpha.png", color } },
		2);
	assert_refused(swapped, "instead of");
	struct err e;
	size_t n, size = (size_t)io_size(uneven);
	autofree char *data = mem_zalloc(size);
	assert_ok(io_pread(uneven, data, size, 0, &n, &e));
	autofd half = sealed(data, size / 2);
	assert_refused(half, "answer");
}

static void a_bomb_is_refused_before_it_goes_off(void **state)
{
	(void)state;
	autofd color = color_jpg(W, H);
	autofd zeros = zip_of((struct part[]){ { "color.jpg", color },
				      { "alpha.png", -1, (size_t)300 << 20 } },
		2);
	assert_true(io_size(zeros) < 2 << 20);
	assert_refused(zeros, "alpha.png is over");
	autofd noise = zip_of((struct part[]){ { "color.jpg", color }, { "alpha.png", -1, 1000 } },
		2);
	assert_refused(noise, "answer");
}

/* ---- other lies ------------------------------------------------------------------------------- */

static void what_is_no_picture_with_alpha_is_refused(void **state)
{
	(void)state;
	static const char text[] = "{\"errors\":[{\"title\":\"no credits\"}]}";
	autofd json = sealed(text, sizeof(text)), empty = sealed("", 0);
	assert_refused(json, "answer");
	assert_refused(empty, "empty");
	autofd jpeg = save(scene_of(ON_WHITE, W, H), ".jpg");
	assert_refused(jpeg, "jpeg instead of png");
	autofd opaque = save(scene_of(ON_WHITE, W, H), ".png");
	assert_refused(opaque, "without alpha");
}

/* The width and height of a PNG stand at 16 and 20, and a checksum after them that we make right. */
static void a_png_that_lies_about_itself_is_refused(void **state)
{
	(void)state;
	struct err e;
	autofd whole = save(scene_of(ON_NOTHING, W, H), ".png");
	size_t n, size = (size_t)io_size(whole);
	autofree char *data = mem_zalloc(size);
	assert_ok(io_pread(whole, data, size, 0, &n, &e));
	autofd half = sealed(data, size / 2);
	assert_refused(half, "answer");
	memcpy(data + 16, "\x7f\xff\xff\xff\x7f\xff\xff\xff", 8);
	autofd huge = sealed(data, size);
	assert_refused(huge, "answer");
	memcpy(data + 16, "\0\0\x27\x10\0\0\x27\x10", 8); /* 100 megapixels of nothing */
	autofd large = sealed(data, size);
	assert_refused(large, "answer");
}

static void changed_bytes_do_no_harm(void **state)
{
	(void)state;
	struct err e;
	struct darkroom_cut_result r;
	const struct cut c = cut_usual();
	autofd color = color_jpg(120, 80), alpha = alpha_png(120, 80);
	autofd png = save(scene_of(ON_NOTHING, 120, 80), ".png");
	autofd zip = zip_of((struct part[]){ { "color.jpg", color }, { "alpha.png", alpha } }, 2);
	const int whole[] = { png, zip };
	for (uint32_t i = 0, x = 1; i < 60; i++) {
		size_t n, size = (size_t)io_size(whole[i % 2]);
		autofree char *data = mem_zalloc(size);
		assert_ok(io_pread(whole[i % 2], data, size, 0, &n, &e));
		for (int k = 0; k < 4; k++) {
			x = x * 1664525 + 1013904223;
			data[(x >> 8) % size] = (char)x;
		}
		autofd answer = sealed(data, size);
		enum err_code code = compose(answer, &c, &r, &e);
		if (code != OK && code != ERR_MATTE_PROVIDER && code != ERR_LIMIT_MEMORY)
			fail_msg("%s: %s", err_name(code), e.text);
		darkroom_cut_done(&r);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_png_with_alpha_is_the_cut_out),
	cmocka_unit_test(a_smaller_answer_makes_a_smaller_cut_out),
	cmocka_unit_test(an_answer_of_nothing_is_no_subject),
	cmocka_unit_test(a_zip_of_colours_and_alpha_is_joined),
	cmocka_unit_test(a_zip_that_is_not_whole_is_refused),
	cmocka_unit_test(a_bomb_is_refused_before_it_goes_off),
	cmocka_unit_test(what_is_no_picture_with_alpha_is_refused),
	cmocka_unit_test(a_png_that_lies_about_itself_is_refused),
	cmocka_unit_test(changed_bytes_do_no_harm),
};

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, begin, end);
}
