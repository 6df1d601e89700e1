"""Prints the right wrist of everybody: poselens run --input camera:0 --send udp:127.0.0.1:9000"""
import json
import socket

receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(("127.0.0.1", 9000))
while True:
    frame = json.loads(receiver.recv(65536))
    for pose in frame["poses"]:
        print(frame["frame"], pose["track_id"], pose["keypoints"][10], flush=True)
