"""The local platform: every function of this repository as a real process on one machine.

What stands in for what: `runtime_api` for the Lambda service, `invoke_api` for its Invoke endpoint, `http_front` for
API Gateway and CloudFront, `queues` for SQS event source mappings, moto server for S3 and SQS, an embedded PostgreSQL
for Aurora. What there is to start is listed in ``topology/``. Product code cannot tell: it reads the same environment
variables and answers the same events.
"""
