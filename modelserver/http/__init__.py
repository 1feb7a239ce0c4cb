"""HTTP fronts: what stands between sockets and the application, with the same promises each.

waitress_front   the default: threads, no compiled parts
asyncio_front    needs the extra `fast`; parses, scores and answers in one loop
"""
