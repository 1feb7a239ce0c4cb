"""The Open Inference Protocol, version 2, over REST, as KServe and Triton define it.

wire.py      tensors as JSON data and as raw bytes
request.py   the body of an inference request; inputs.py, outputs.py and raw.py read its parts
response.py  the body of an answer; classification.py names classes in it
infer.py     the route of the hot path
metadata.py  what the server says of itself and its models; statistics.py: what they have done
pages.py     the routes that Flask answers
"""
