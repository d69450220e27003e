"""Drives clients of Python's paho: commands come as lines of JSON on stdin, answers and messages go to stdout.

A command is {"id", "client", "do", ...}, its answer {"id", "result"} or {"id", "error"}; a message that came is
{"client", "message"}. Written for paho 1.6, which Debian has.
"""

import base64
import json
import queue
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

VERSIONS = {3: mqtt.MQTTv31, 4: mqtt.MQTTv311, 5: mqtt.MQTTv5}
TIMEOUT_S = 20

output_lock = threading.Lock()
clients = {}


def write(message):
    with output_lock:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


class DrivenClient:
    """One client, what its callbacks have told so far, and the one thread that touches it."""

    def __init__(self, name, command):
        self.name = name
        self.version = command["version"]
        self.changed = threading.Condition()
        self.connack = None
        self.connections = 0
        self.is_over = False
        self.actions = queue.SimpleQueue()
        self.subacks = {}
        self.published = set()
        is_websocket = command["over"] in ("ws", "wss")
        options = {} if self.version == 5 else {"clean_session": command["cleanStart"]}
        self.client = mqtt.Client(
            client_id=command["clientId"],
            protocol=VERSIONS[self.version],
            transport="websockets" if is_websocket else "tcp",
            **options,
        )
        self.client.username_pw_set(command.get("username", "any"), command["password"])
        if is_websocket:
            self.client.ws_set_options(path="/mqtt")
        if command["over"] in ("tls", "wss"):
            self.client.tls_set(ca_certs=command["caFile"])
        self.set_will(command.get("will"))
        self.client.max_inflight_messages_set(100)
        self.client.on_connect = self.on_connect
        self.client.on_message = self.on_message
        self.client.on_subscribe = self.on_subscribe
        self.client.on_publish = self.on_publish

    def set_will(self, will):
        if will is None:
            return
        payload = base64.b64decode(will["payload"])
        properties = Properties(PacketTypes.WILLMESSAGE) if self.version == 5 else None
        self.client.will_set(will["topic"], payload, will["qos"], will["retain"], properties)

    # ── The thread

    def run(self):
        while not self.is_over:
            while not self.actions.empty():
                self.actions.get()()
            if not self.is_over and self.loop() != mqtt.MQTT_ERR_SUCCESS:
                self.client.reconnect()

    def loop(self):
        try:
            return self.client.loop(timeout=0.005)
        except (OSError, ValueError):  # of TLS, which paho hands on
            return mqtt.MQTT_ERR_CONN_LOST

    def do(self, action):
        """Has the thread do something, and gives what came of it."""
        done = queue.SimpleQueue()

        def act():
            try:
                done.put((action(), None))
            except Exception as error:
                done.put((None, error))

        self.actions.put(act)
        result, error = done.get(timeout=TIMEOUT_S)
        if error is not None:
            raise error
        return result

    # ── Callbacks, in that thread

    def on_connect(self, _client, _data, flags, reason, _properties=None):
        with self.changed:
            code = reason if isinstance(reason, int) else reason.value
            self.connack = {"reasonCode": code, "sessionPresent": bool(flags["session present"])}
            self.connections += 1
            self.is_over = code != 0
            self.changed.notify_all()

    def on_message(self, _client, _data, message):
        write(
            {
                "client": self.name,
                "message": {
                    "topic": message.topic,
                    "payload": base64.b64encode(message.payload).decode(),
                    "qos": message.qos,
                    "retain": bool(message.retain),
                    "properties": described(getattr(message, "properties", None)),
                },
            }
        )

    def on_subscribe(self, _client, _data, mid, codes, properties=None):
        with self.changed:
            values = [code if isinstance(code, int) else code.value for code in codes]
            self.subacks[mid] = {"codes": values, "properties": described(properties)}
            self.changed.notify_all()

    def on_publish(self, _client, _data, mid):
        with self.changed:
            self.published.add(mid)
            self.changed.notify_all()

    def wait(self, is_there, what):
        with self.changed:
            if not self.changed.wait_for(is_there, TIMEOUT_S):
                raise TimeoutError(f"waited for {what}")

    # ── Commands

    def connect(self, command):
        options = {}
        if self.version == 5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = command["sessionExpiryS"]
            options = {"clean_start": command["cleanStart"], "properties": properties}
        self.client.connect(command["host"], command["port"], keepalive=60, **options)
        threading.Thread(target=self.run, daemon=True).start()
        self.wait(lambda: self.connack is not None, "CONNACK")
        return self.connack

    def subscribe(self, command):
        arguments = {"qos": command["qos"]}
        if self.version == 5:
            properties = Properties(PacketTypes.SUBSCRIBE)
            if "identifier" in command:
                properties.SubscriptionIdentifier = command["identifier"]
            options = SubscribeOptions(qos=command["qos"], noLocal=command["noLocal"])
            arguments = {"options": options, "properties": properties}
        _, mid = self.do(lambda: self.client.subscribe(command["filter"], **arguments))
        self.wait(lambda: mid in self.subacks, "SUBACK")
        return self.subacks[mid]

    def publish(self, command):
        properties = None
        if self.version == 5:
            properties = publish_properties(command.get("properties", {}))
        payload = base64.b64decode(command["payload"])
        begun = queue.SimpleQueue()
        arguments = (command["topic"], payload, command["qos"], command["retain"], properties)
        self.actions.put(lambda: begun.put(self.client.publish(*arguments)))
        return begun

    def finish_publish(self, begun):
        mid = begun.get(timeout=TIMEOUT_S).mid
        self.wait(lambda: mid in self.published, "the end of a PUBLISH")
        with self.changed:
            self.published.discard(mid)

    def drop(self, _command):
        """Cuts the network, and comes back."""
        before = self.connections
        self.do(self.reopen)
        self.wait(lambda: self.connections > before, "the next CONNACK")

    def reopen(self):
        self.client.socket().close()
        self.client.reconnect()

    def cut(self, _command):
        """Cuts the network for good."""
        self.is_over or self.do(self.leave)

    def leave(self):
        self.is_over = True
        self.client.socket().close()

    def disconnect(self, _command):
        self.do(self.say_goodbye)

    def say_goodbye(self):
        self.is_over = True
        self.client.disconnect()
        while self.client.want_write():
            self.client.loop_write()


def publish_properties(given):
    properties = Properties(PacketTypes.PUBLISH)
    for name, value in given.items():
        if name == "CorrelationData":
            value = base64.b64decode(value)
        elif name == "UserProperty":
            value = [tuple(pair) for pair in value]
        setattr(properties, name, value)
    return properties


def described(properties):
    if properties is None:
        return {}
    values = dict(vars(properties))
    names = ("UserProperty", "ResponseTopic", "CorrelationData", "ContentType", "MessageExpiryInterval")
    found = {name: values[name] for name in (*names, "SubscriptionIdentifier") if name in values}
    if "CorrelationData" in found:
        found["CorrelationData"] = base64.b64encode(found["CorrelationData"]).decode()
    return found


def answer(command, act):
    try:
        write({"id": command["id"], "result": act()})
    except Exception as error:  # whatever it is, the test wants to read it
        write({"id": command["id"], "error": repr(error)})


def handle(command):
    name = command["client"]
    if command["do"] == "connect":
        clients[name] = DrivenClient(name, command)
    client = clients[name]
    if command["do"] == "publish":
        # Begun here, so that messages go out in the order of the commands
        begun = client.publish(command)
        act = lambda: client.finish_publish(begun)
    else:
        act = lambda: getattr(client, command["do"])(command)
    # In a thread of its own: it may wait for what another command brings about
    threading.Thread(target=answer, args=(command, act), daemon=True).start()


for line in sys.stdin:
    handle(json.loads(line))
