"""llama.cpp's HTTP server on loopback: serve.py MODEL PORT. Says `ready` when it is, and ends when its input ends."""

import sys

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.model_alias = {"noise"}
params.hostnames = ["127.0.0.1"]
params.port = int(sys.argv[2])
params.n_ctx = 4096
params.n_parallel = 1
params.n_predict = 600  # where a request names no limit
params.cpuparams.n_threads = 1
params.verbosity = 0  # what goes wrong at the start is raised
server = xllamacpp.Server(params)
print("ready", server.listening_address, flush=True)
sys.stdin.read()
