# The front door of bulb for people. meson does the building; this names what one types.
#
# BUILD is the folder to build in; DEPS=no lists what would be installed and stops; SOAK names the tests to soak.

BUILD ?= build
DEPS  ?= yes
export DEPS
SOAK ?= crash power disk-full money-storm copy cluster- partition dispatch client-watch
MESON_FLAGS ?= -Dwerror=true
NINJA = ninja -C $(BUILD)

.DEFAULT_GOAL := bulb
.PHONY: help bulb lambda-zip demo test bench soak asan tsan fuzz torture fmt lint docs install clean

help: ## what can be typed
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# With DEPS=no a target only says what it would install.
ifeq ($(DEPS),no)
bulb:     ; @tools/deps build
lambda-zip: ; @tools/deps build lambda
demo:     ; @tools/deps build demo
bench:    ; @tools/deps build test bench
asan test soak torture: ; @tools/deps build test
tsan fuzz: ; @tools/deps build test sanitize
else
bulb: ## install what is missing and build build/bulb (plain `make` does this)
	@tools/deps build
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD) $(MESON_FLAGS) >/dev/null
	@$(NINJA) bulb

lambda-zip: bulb ## bulb as a package for AWS Lambda, with its libraries, as $(BUILD)/bulb-lambda.zip; MODELS=DIR for cut-outs
	@tools/deps lambda
	@tools/lambda-zip $(BUILD) $(BUILD)/bulb-lambda.zip $(MODELS)

demo: bulb ## the main job on real pictures, behind a gateway that gives up; URLS=list.txt for your own
	@tools/deps demo
	@tools/demo $(BUILD)/bulb $(URLS)

# Everything that the tests run, in $(BUILD).
.PHONY: all-tests
all-tests:
	@tools/deps build test
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD) $(MESON_FLAGS) >/dev/null
	@meson configure $(BUILD) -Dtests=enabled
	@$(NINJA)
	@tools/models $(BUILD)

test: all-tests ## install what is missing, build everything, run every test
	@tools/run-tests $(BUILD)

soak: all-tests ## hours of crashes, power losses, partitions and failing servers (SOAK="crash power" for some)
	@TEST_SOAK=1 tools/run-tests $(BUILD) $(SOAK)

bench: all-tests ## speed and memory against sharp and other peers, as ratios in one run
	@tools/deps bench
	@tools/bench $(BUILD)

torture: all-tests ## the Nth allocation and the Nth system call fail, for every N
	@tools/torture $(BUILD)

asan: ## every test under AddressSanitizer, UndefinedBehaviorSanitizer and LeakSanitizer
	@tools/deps build test
	@test -f build-asan/build.ninja || meson setup build-asan -Dtests=enabled -Dwerror=true -Dbuildtype=debug \
		-Doptimization=1 -Db_sanitize=address,undefined >/dev/null
	@ninja -C build-asan
	@tools/models build-asan
	@tools/run-tests build-asan

tsan: ## the threaded rooms under ThreadSanitizer (not image and inside: they have one thread of ours)
	@tools/deps build test sanitize
	@test -f build-tsan/build.ninja || CC=clang meson setup build-tsan -Dtests=enabled \
		-Dbuildtype=debug -Doptimization=1 -Db_sanitize=thread -Db_lundef=false >/dev/null
	@ninja -C build-tsan
	@tools/models build-tsan
	@tools/run-tests build-tsan

fuzz: ## each fuzz target for a minute (FUZZ_SECONDS=60), starting from its corpus
	@tools/deps build test sanitize
	@tools/fuzz
endif

fmt: ## format the C files that git tracks
	@tools/deps lint
	@git ls-files 'src/*.[ch]' 'tests/*.[ch]' | xargs clang-format -i

lint: ## clang-tidy and cppcheck over src, gcc and clang without a warning
	@tools/deps build test lint
	@tools/lint

docs: bulb ## write the man page and the tables in docs/ anew from src/*/*.def
	@tools/gen-docs $(BUILD)
	@if [ -d tests/node_modules/yaml ]; then node tools/gen-api-documents.mjs; \
	else echo "the API documents stay: make test installs what makes them"; fi

install: bulb ## into PREFIX (default /usr/local), under DESTDIR if set
	@meson configure $(BUILD) -Dprefix=$(or $(PREFIX),/usr/local)
	@meson install -C $(BUILD) --no-rebuild --tags runtime,man

clean: ## remove what was built
	rm -rf $(BUILD) build-asan build-tsan build-fuzz build-lint-gcc build-lint-clang
