/* SPDX-License-Identifier: MIT
 *
 * As much of protobuf and of onnx.proto as a model of one or two nodes takes.
 */
#include "onnx.h"

#include "lib/test.h"

static void put_varint(struct buf *b, uint64_t v)
{
	for (; v >= 128; v >>= 7)
		assert_true(buf_putc(b, (char)(v | 128)));
	assert_true(buf_putc(b, (char)v));
}

static void put_int(struct buf *b, int field, int64_t v)
{
	put_varint(b, (uint64_t)field << 3);
	put_varint(b, (uint64_t)v);
}

static void put_bytes(struct buf *b, int field, const void *data, size_t n)
{
	put_varint(b, (uint64_t)field << 3 | 2);
	put_varint(b, n);
	assert_true(buf_add(b, data, n));
}

static void put_text(struct buf *b, int field, const char *s)
{
	put_bytes(b, field, s, strlen(s));
}

static void put_part(struct buf *b, int field, struct buf *part)
{
	put_bytes(b, field, buf_str(part), part->len);
	buf_done(part);
}

/* ValueInfoProto */
static void put_value(struct buf *graph, int field, const char *name, enum onnx_type type,
	const int64_t *dims, int rank)
{
	struct buf shape = BUF_INIT(1 << 16), tensor = BUF_INIT(1 << 16), t = BUF_INIT(1 << 16),
		   value = BUF_INIT(1 << 16);
	for (int i = 0; i < rank; i++) {
		struct buf dim = BUF_INIT(1 << 10);
		if (dims[i] >= 0)
			put_int(&dim, 1, dims[i]);
		else
			put_text(&dim, 2, i == rank - 1 ? "w" : "h");
		put_part(&shape, 1, &dim);
	}
	put_int(&tensor, 1, type);
	put_part(&tensor, 2, &shape);
	put_part(&t, 1, &tensor);
	put_text(&value, 1, name);
	put_part(&value, 2, &t);
	put_part(graph, field, &value);
}

static void put_node(struct buf *graph, const char *op, const char *in, const char *out, int axis,
	bool keep)
{
	struct buf node = BUF_INIT(1 << 10);
	put_text(&node, 1, in);
	put_text(&node, 2, out);
	put_text(&node, 4, op);
	if (axis >= 0) {
		struct buf axes = BUF_INIT(1 << 10), keeps = BUF_INIT(1 << 10);
		put_text(&axes, 1, "axes");
		put_int(&axes, 8, axis);
		put_int(&axes, 20, 7);
		put_part(&node, 5, &axes);
		put_text(&keeps, 1, "keepdims");
		put_int(&keeps, 3, keep);
		put_int(&keeps, 20, 2);
		put_part(&node, 5, &keeps);
	}
	put_part(graph, 1, &node);
}

void onnx_write(const struct onnx_model *m, struct buf *b)
{
	struct buf graph = BUF_INIT(1 << 20), opset = BUF_INIT(1 << 10);
	put_node(&graph, "ReduceMean", "picture", m->after ? "middle" : "mask", 1,
		m->out_rank == 4);
	if (m->after)
		put_node(&graph, m->after, "middle", "mask", -1, false);
	put_text(&graph, 2, "g");
	put_value(&graph, 11, "picture", m->type, m->in, 4);
	put_value(&graph, 12, "mask", m->type, m->out, m->out_rank);
	put_int(&opset, 2, 13);
	put_int(b, 1, 7);
	put_part(b, 8, &opset);
	put_part(b, 7, &graph);
}
