"""A server as thin as can be that speaks as TensorFlow Serving does, over gRPC and HTTP."""

import base64
import http.server
import json
import threading
from concurrent import futures
from contextlib import contextmanager

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers `Predict` by the signatures of a loaded model."""

    def __init__(self, signatures):
        self.signatures = signatures

    def Predict(self, request, context):
        name = request.model_spec.signature_name or "serving_default"
        inputs = {
            key: tf.constant(tf.make_ndarray(tensor)) for key, tensor in request.inputs.items()
        }
        try:
            outputs = self.signatures[name](**inputs)
        except tf.errors.InvalidArgumentError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
        answer = predict_pb2.PredictResponse()
        for key, tensor in outputs.items():
            answer.outputs[key].CopyFrom(tf.make_tensor_proto(tensor.numpy()))
        return answer


@contextmanager
def grpc_server(signatures):
    """Serves on a free port of this machine, which it yields."""
    server = grpc.server(futures.ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Service(signatures), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


@contextmanager
def http_server(signatures):
    """Serves `:predict` in the row format, for signatures of strings and one output."""

    def decode(value):
        return base64.b64decode(value["b64"], validate=True)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            rows = body["instances"]
            inputs = {key: tf.constant([decode(row[key]) for row in rows]) for key in rows[0]}
            (tensor,) = signatures[body["signature_name"]](**inputs).values()
            texts = [base64.b64encode(value).decode() for value in tensor.numpy()]
            answer = json.dumps({"predictions": [{"b64": text} for text in texts]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *words):
            del words

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
